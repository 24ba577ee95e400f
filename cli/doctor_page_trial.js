/* The trial: the command under each allocator, side by side. */

const PANELS = [
    {title: "Peak RSS", key: "peak_rss", color: "live", text: bytes},
    {title: "RSS at the end", key: "final_rss", color: "file", text: bytes},
    {title: "Live and dead space", key: "live", second: "dead", color: "live", text: bytes},
    {title: "Time", key: "seconds", color: "python", text: duration},
];

const is_range = (value) => Array.isArray(value) && value.length === 3 && value.every(is_number);

function draw_trial(report) {
    const trial = report.trial || [];
    const advice = report.advice || {};
    by_id("trial").hidden = trial.length === 0;
    if (!trial.length) {
        return;
    }
    if (advice.sentence) {
        show("advice", prose(advice.sentence));
    }
    draw_environment(advice.allocator ? advice.environment || {} : {});
    const tried = trial.filter((row) => row.available !== false && PANELS.some((panel) => is_range(row[panel.key])));
    const panels = PANELS.map((panel) => draw_panel(panel, tried, advice.allocator)).filter(Boolean);
    show("trial-panels", ...panels);
    draw_trial_notes(trial, tried, advice);
}

function lines_of(environment) {
    return Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`);
}

function draw_environment(environment) {
    const lines = lines_of(environment).map(visible);
    if (!lines.length) {
        return;
    }
    const block = make("pre", {tabindex: 0, "aria-label": "environment to set"});
    block.textContent = lines.join("\n");
    const button = make("button", {type: "button"}, "Copy");
    const select = () => {
        getSelection().selectAllChildren(block);
        button.textContent = "Selected";
    };
    button.addEventListener("click", () => {
        if (navigator.clipboard) {
            navigator.clipboard.writeText(lines.join("\n") + "\n").then(() => (button.textContent = "Copied"), select);
        } else {
            select();
        }
    });
    show("environment", block, button).className = "environment";
}

/* One figure of all allocators: a bar to the median, a whisker from least to most, a line where the first one is. */
function draw_panel(panel, tried, advised) {
    const rows = tried.filter((row) => is_range(row[panel.key]) && (!panel.second || is_range(row[panel.second])));
    if (!rows.length) {
        return null;
    }
    const second = (row) => (panel.second ? row[panel.second] : [0, 0, 0]);
    const high = (row) =>
        (panel.second ? Math.max(row[panel.key][2], row[panel.key][1] + second(row)[2]) : row[panel.key][2]);
    const most = Math.max(...rows.map(high)) * 1.02 || 1;
    const plain = rows[0][panel.key][1] + second(rows[0])[1];
    const share = (value) => `${((100 * value) / most).toFixed(2)}%`;
    const element = make("div", {class: "panel"}, make("h3", null, panel.title));
    if (panel.second) {
        element.append(
            make(
                "p",
                {class: "note"},
                swatch(SHARES[0]),
                " live  ",
                swatch(SHARES[4]),
                " dead: free, but held by the allocator"
            ),
        );
    }
    for (const row of rows) {
        const range = row[panel.key];
        const dead = second(row);
        const track = make("div", {class: "bar-track", "aria-hidden": true});
        track.append(make("div", {class: "bar", style: `--fill: var(--${panel.color}); width: ${share(range[1])}`}));
        if (panel.second) {
            const style = `--fill: var(--pinned); --angle: 135deg; width: ${share(dead[1])}`;
            track.append(make("div", {class: "bar hatched", style}));
        }
        const [from, to] = panel.second ? [range[1] + dead[0], range[1] + dead[2]] : [range[0], range[2]];
        if (to > from) {
            track.append(make("div", {class: "whisker", style: `left: ${share(from)}; width: ${share(to - from)}`}));
        }
        track.append(make("div", {class: "plain-line", style: `left: ${share(plain)}`}));
        element.append(
            make(
                "div",
                {class: row.allocator === advised ? "bar-row advised" : "bar-row"},
                make("div", {class: "bar-name"}, row.allocator),
                track,
                make("div", {class: "bar-text"}, ...figures(panel, row, rows[0])),
            ),
        );
    }
    return element;
}

/* "612 MB (598 MB to 640 MB), −47 %": the last against the first row. */
function figures(panel, row, first) {
    const range = row[panel.key];
    const text = panel.text;
    if (panel.second) {
        const dead = row[panel.second];
        return [make("b", null, text(range[1])), " live, ", make("b", null, text(dead[1])), " dead"];
    }
    const words = [make("b", null, text(range[1]))];
    if (text(range[0]) !== text(range[2])) {
        words.push(` (${text(range[0])} to ${text(range[2])})`);
    }
    if (row !== first && first[panel.key][1] > 0) {
        const change = Math.round(100 * (range[1] / first[panel.key][1] - 1));
        words.push(`, ${change > 0 ? "+" : change < 0 ? "−" : "±"}${Math.abs(change)}\u00a0%`);
    }
    return words;
}

/* What the bars cannot say: who is missing, whose runs went wrong, how each is switched on. */
function draw_trial_notes(trial, tried, advice) {
    const notes = [];
    const about = make("p", {class: "note"});
    if (tried.length) {
        const runs = (tried[0].runs || []).length;
        const many = `Bars are medians of ${runs} runs, whiskers go from the least to the most; the`;
        const bold = advice.allocator ? ", bold is what is advised" : "";
        about.append(visible(`${runs > 1 ? many : "One run each; the"} dashed line is ${tried[0].allocator}${bold}. `));
    }
    about.append(visible([advice.cost, advice.caution].filter(Boolean).map(prose).join(" ")));
    for (const row of trial) {
        const name = make("b", null, row.allocator);
        if (row.available === false) {
            const install = row.package ? ["; to have it: ", make("code", null, `apt-get install ${row.package}`)] : [];
            notes.push(make("li", null, name, ` was not tried: ${row.why_not || "it is not installed"}`, ...install));
            continue;
        }
        if (!tried.includes(row)) {
            notes.push(make("li", {class: "bad"}, name, ` has no figures${row.why_not ? `: ${row.why_not}` : ""}`));
            continue;
        }
        const other = (row.runs || []).filter((run) => run.same_result === false);
        const why = row.why_not ? `: ${row.why_not}` : "";
        if (other.length) {
            const words = ` gave another result in ${other.length} of ${row.runs.length} runs${why}`;
            notes.push(make("li", {class: "bad"}, name, words));
        } else if (why) {
            notes.push(make("li", {class: "bad"}, name, why));
        }
    }
    const switches = trial.filter((row) => row.available !== false && lines_of(row.environment || {}).length);
    const rows = switches.map((row) => {
        const block = make("pre", {tabindex: 0});
        block.textContent = lines_of(row.environment).map(visible).join("\n");
        return [make("h3", null, row.allocator), block];
    });
    const how = rows.length ?
        make("details", null, make("summary", null, "How each one is switched on"), ...rows.flat()) :
        null;
    show(
        "trial-notes", about, ...(notes.length ? [make("ul", {class: "notes"}, ...notes)] : []), ...(how ? [how] : [])
    );
}
