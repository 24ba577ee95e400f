/* The shares of resident memory over time, stacked, and the legend that explains them. */

/* Hatching for free memory, as in the legend. */
function hatchings() {
    return draw(
        "defs",
        null,
        ...SHARES.filter((share) => share.angle)
            .map(
                (share) => draw(
                    "pattern",
                    {
                        id: `hatch-${share.color}`,
                        width: 4,
                        height: 4,
                        patternUnits: "userSpaceOnUse",
                        patternTransform: `rotate(${- share.angle})`
                    },
                    draw("rect", {width: 4, height: 4, fill: `var(--${share.color})`}),
                    draw("rect", {width: 1, height: 4, fill: "var(--hatch)"}),
                ),
            ),
    );
}

function fill_of(share) {
    return share.angle ? `url(#hatch-${share.color})` : `var(--${share.color})`;
}

/* Where things are in the drawing. */
function geometry_of(process, samples, width) {
    const narrow = width < 560;
    const height = narrow ? 270 : 440;
    const box = {left: 48, right: width - 10, top: 34, bottom: height - 28};
    const peak = highest_rss(samples);
    const live = is_known(process.peak_live) && process.peak_live > 0 && process.peak_live <= 1.4 * peak ?
        process.peak_live :
        null;
    const top = Math.max(peak, live || 0) * 1.03;
    const first = samples.time[0];
    const last = samples.time[samples.time.length - 1];
    const from = first >= 0 && first < 0.5 * last ? 0 : first;
    const span = last - from || 1;
    return {
        narrow,
        alone: samples.time.length === 1,
        height,
        box,
        top,
        from,
        span,
        live,
        x: (time) => box.left + ((time - from) / span) * (box.right - box.left),
        y: (value) => box.bottom - (value / top) * (box.bottom - box.top),
    };
}

function axes(svg, g, width) {
    const unit = g.top >= 1.5e10 ? [1e9, "GB"] : g.top >= 1.5e6 ? [1e6, "MB"] : [1e3, "kB"];
    for (const value of ticks(0, g.top / unit[0], g.narrow ? 4 : 6)) {
        const y = g.y(value * unit[0]);
        svg.append(
            draw("line", {class: "grid", x1: g.box.left, x2: width - 10, y1: y, y2: y}),
            draw("text", {x: g.box.left - 7, y: y + 4, "text-anchor": "end"}, count(Number(value.toPrecision(6)))),
        );
    }
    svg.append(draw("text", {x: 0, y: 12}, unit[1]));
    const time = g.span >= 10800 ? [3600, "h"] : g.span >= 240 ? [60, "min"] : g.span >= 0.5 ? [1, "s"] : [0.001, "ms"];
    const values = g.alone ? [] : ticks(g.from / time[0], (g.from + g.span) / time[0], g.narrow ? 4 : 8);
    for (const value of values) {
        const x = g.x(value * time[0]);
        const anchor = x > g.box.right - 18 ? "end" : x < g.box.left + 10 ? "start" : "middle";
        const label = `${Number(value.toPrecision(6))} ${time[1]}`;
        svg.append(
            draw("line", {class: "grid", x1: x, x2: x, y1: g.box.bottom, y2: g.box.bottom + 5}),
            draw("text", {x, y: g.height - 8, "text-anchor": anchor}, label),
        );
    }
}

/* The shares, one polygon each; a run with one sample is one column. */
function bands(svg, g, samples) {
    const chosen = decimated(samples, Math.max(60, Math.round((g.box.right - g.box.left) / 3)));
    const middle = (g.box.left + g.box.right) / 2;
    const xs = g.alone ? [middle - 40, middle + 40] : chosen.map((i) => g.x(samples.time[i]));
    const indices = g.alone ? [chosen[0], chosen[0]] : chosen;
    let floor = indices.map(() => 0);
    for (const share of samples.shares) {
        const ceiling = indices.map((i, k) => floor[k] + share.values[i]);
        if (indices.some((i) => share.values[i] > 0)) {
            const up = xs.map((x, k) => [x, g.y(ceiling[k])]);
            const down = xs.map((x, k) => [x, g.y(floor[k])]).reverse();
            const points = [...up, ...down].map(rounded).join(" ");
            svg.append(draw("polygon", {class: "band", "data-share": share.name, points, fill: fill_of(share)}));
        }
        floor = ceiling;
    }
    const total = xs.map((x, k) => rounded([x, g.y(samples.rss[indices[k]])])).join(" ");
    svg.append(draw("polyline", {class: "total", points: total}));
}

function marks(svg, g, samples, process) {
    if (g.live !== null) {
        const y = g.y(g.live);
        svg.append(
            draw("line", {class: "peak-live", x1: g.box.left, x2: g.box.right, y1: y, y2: y}),
            draw("text", {class: "strong halo", x: g.box.left + 6, y: y - 6}, `most ever live: ${bytes(g.live)}`),
        );
    }
    const at = index_of_peak(samples);
    const x = g.alone ? (g.box.left + g.box.right) / 2 : g.x(samples.time[at]);
    const y = g.y(samples.rss[at]);
    const anchor = x > g.box.right - 110 ? "end" : x < g.box.left + 110 ? "start" : "middle";
    const shift = {end: 5, start: -5, middle: 0}[anchor];
    const label = `peak ${bytes(samples.rss[at])}`;
    svg.append(
        draw("circle", {class: "peak-mark", cx: x, cy: y, r: 4.5}),
        draw("text", {class: "strong halo", x: x + shift, y: y - 10, "text-anchor": anchor}, label),
    );
}

function draw_timeline(process) {
    const samples = samples_of(process);
    by_id("timeline").hidden = false;
    const chart = by_id("chart");
    if (samples.time.length) {
        draw_legend(process, samples);
    } else {
        show("legend");
    }
    by_id("chart-caption").textContent = visible(caption_of(process, samples));
    if (!samples.time.length) {
        show("chart", make("p", {class: "note"}, "No sample of this process was taken: it was over too soon."));
        return;
    }
    const width = Math.max(260, chart.clientWidth);
    const g = geometry_of(process, samples, width);
    const peak = index_of_peak(samples);
    const svg = draw("svg", {
        viewBox: `0 0 ${width} ${g.height}`,
        role: "slider",
        tabindex: 0,
        "aria-label": "Time; resident memory split into shares",
        "aria-valuemin": 0,
        "aria-valuemax": samples.time.length - 1,
        "aria-valuenow": peak,
        "aria-valuetext": spoken(samples, peak),
    });
    svg.append(hatchings());
    axes(svg, g, width);
    bands(svg, g, samples);
    marks(svg, g, samples, process);
    show("chart", svg);
    watch_cursor(chart, svg, g, samples);
}

function caption_of(process, samples) {
    const words = [];
    if (samples.time.length === 1) {
        words.push("One sample only: nothing can be said about growth.");
    } else if (samples.time.length > 1) {
        words.push(`${count(samples.time.length)} samples in ${duration(samples.time.at(-1) - samples.time[0])}.`);
    }
    if (samples.time.length && is_known(process.peak_live) && process.peak_live > 1.4 * highest_rss(samples)) {
        words.push(`Most ever live: ${
            bytes(process.peak_live)}, more than was resident: pages that are never touched cost nothing.`);
    }
    if (samples.split) {
        words.push(
            is_known(process.garbage) ? `The probe for garbage cycles at the end freed ${bytes(process.garbage)}.` :
                                        "Garbage cycles were not probed for."
        );
        if (is_known(process.trimmed)) {
            words.push(`Asked at the end, the allocator returned ${bytes(process.trimmed)}.`);
        }
    }
    if (process.verdict === "leak" && is_number(process.leak_rate) && process.leak_rate > 0) {
        words.push(
            `What is live grows by ${bytes(process.leak_rate)} a second, ${bytes(process.leak_rate * 3600)} an hour.`
        );
    }
    return words.join(" ");
}

function spoken(samples, at) {
    const shares = samples.shares.filter((share) => share.values[at] > 0);
    return [
        `at ${duration(samples.time[at])}: ${bytes(samples.rss[at])} resident`,
        ...shares.map((share) => `${share.name} ${bytes(share.values[at])}`)
    ].join(", ");
}

/* A line and the figures where the pointer is, or where the arrow keys lead. */
function watch_cursor(chart, svg, g, samples) {
    const n = samples.time.length;
    let at = index_of_peak(samples);
    const line = draw("line", {class: "cursor", y1: g.box.top, y2: g.box.bottom, visibility: "hidden"});
    const tip = make("div", {class: "tip", hidden: true});
    svg.append(line);
    chart.append(tip);
    const hide = () => {
        line.setAttribute("visibility", "hidden");
        tip.hidden = true;
    };
    const move_to = (index) => {
        at = Math.min(n - 1, Math.max(0, index));
        const x = g.alone ? (g.box.left + g.box.right) / 2 : g.x(samples.time[at]);
        line.setAttribute("x1", x);
        line.setAttribute("x2", x);
        line.setAttribute("visibility", "visible");
        svg.setAttribute("aria-valuenow", at);
        svg.setAttribute("aria-valuetext", spoken(samples, at));
        fill_tip(tip, samples, at);
        tip.hidden = false;
        const scale = chart.clientWidth / (g.box.right + 10);
        const room = chart.clientWidth - tip.offsetWidth;
        const side = x * scale + 14 > room ? x * scale - tip.offsetWidth - 14 : x * scale + 14;
        tip.style.left = `${Math.max(0, Math.min(room, side))}px`;
        tip.style.top = `${g.box.top}px`;
    };
    const follow = (event) => {
        const place = svg.getBoundingClientRect();
        const x = ((event.clientX - place.left) / place.width) * (g.box.right + 10);
        move_to(nearest(samples.time, g.from + ((x - g.box.left) / (g.box.right - g.box.left)) * g.span));
    };
    const page = Math.max(1, Math.round(n / 20));
    point_at(svg, follow, hide, move_to, () => ({
        ArrowLeft: at - 1,
        ArrowRight: at + 1,
        ArrowDown: at - 1,
        ArrowUp: at + 1,
        PageDown: at - page,
        PageUp: at + page,
        Home: 0,
        End: n - 1,
    }));
}

/* Index of the time that is nearest to `wanted`; times are in order. */
function nearest(time, wanted) {
    let low = 0;
    let high = time.length - 1;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (time[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && wanted - time[low - 1] < time[low] - wanted ? low - 1 : low;
}

function fill_tip(tip, samples, at) {
    const rows = samples.shares.filter((share) => share.values[at] > 0)
                     .reverse()
                     .map(
                         (share) => make(
                             "tr",
                             null,
                             make("td", null, swatch(share)),
                             make("td", null, share.name),
                             make("td", {class: "number"}, bytes(share.values[at]))
                         )
                     );
    tip.replaceChildren(
        make("b", null, `${duration(samples.time[at])}: ${bytes(samples.rss[at])}`),
        make("table", null, make("tbody", null, ...rows))
    );
}

/* --- the legend --- */

/* The shares with their words, at the peak and at the end; one that is pointed at stands out in the drawing. */
function draw_legend(process, samples) {
    const n = samples.time.length;
    const peak = index_of_peak(samples);
    const stand_out = (name) => {
        for (const band of document.querySelectorAll(".band")) {
            band.classList.toggle("faded", name !== null && band.dataset.share !== name);
        }
    };
    let held = null;
    const row = (share) => {
        const listen = {
            pointerenter: (event) => event.pointerType === "mouse" && stand_out(share.name),
            pointerleave: (event) => event.pointerType === "mouse" && stand_out(held),
            focus: () => stand_out(share.name),
            blur: () => stand_out(held),
            click: () => stand_out((held = held === share.name ? null : share.name)),
        };
        const unknown = share.name === "garbage cycles" && !is_known(process.garbage);
        const figure = (at) => (unknown ? "not probed" : bytes(share.values[at]));
        return [
            make(
                "tr",
                {class: share.values.some((value) => value > 0) ? null : "absent"},
                make(
                    "td",
                    null,
                    make("button", {type: "button", class: "share-button", ...listen}, swatch(share), share.name)
                ),
                make("td", {class: "number"}, figure(peak)),
                make("td", {class: "number"}, unknown ? "" : figure(n - 1)),
            ),
            make("tr", null, make("td", {class: "share-about", colspan: 3}, share.about)),
        ];
    };
    const total = make(
        "tr",
        null,
        make("td", null, make("b", null, "resident (RSS)")),
        ...[peak, n - 1].map((at) => make("td", {class: "number"}, make("b", null, bytes(samples.rss[at]))))
    );
    const head = make("tr", null, ...["share", "at the peak", "last"].map((text) => make("th", {scope: "col"}, text)));
    show(
        "legend",
        make(
            "table",
            null,
            make("thead", null, head),
            make("tbody", null, ...[...samples.shares].reverse().flatMap(row), total)
        )
    );
}
