/* Draws the report from the JSON in the page. Here: how elements and figures are made, the samples of a process, the
 * head and the list of processes; the other parts are in files of their own, all in one script.
 *
 * Text from the report becomes text nodes through `visible`, and never HTML. Any part of the report may be missing or
 * null. Bytes are counted in MB of 1,000,000, times in seconds.
 */
"use strict";

/* In the order in which they are stacked, as in the report's split. `angle` is of the hatching of free memory. */
const SHARES = [
    {name: "live", color: "live", about: "asked for by the program and not freed yet"},
    {
        name: "garbage cycles",
        color: "garbage",
        about: "dead Python objects that refer to each other: only its collector frees them",
    },
    {name: "rounding", color: "rounding", about: "lost where blocks are rounded up, and in their headers"},
    {
        name: "free, returnable",
        color: "returnable",
        angle: 45,
        about: "whole pages without a block, kept by the allocator: a trim returns them",
    },
    {
        name: "free, pinned",
        color: "pinned",
        angle: 135,
        about: "holes in pages that also have live blocks: no trim can return them",
    },
    {name: "Python arenas", color: "python", about: "where Python keeps its small objects, used or not"},
    {name: "file pages", color: "file", about: "code, libraries and mapped files: the kernel can drop them"},
    {name: "rest", color: "rest", about: "stacks, static data, shared memory, the program’s own mappings"},
];

/* What each verdict asks of the reader. */
const URGENCY = {
    leak: "bad",
    fragmentation: "bad",
    retention: "bad",
    "garbage cycles": "bad",
    "levels off": "good",
    "file pages": "good",
    "no growth": "good",
};

const state = {
    report: null,
    process: null
};
const by_id = (id) => document.getElementById(id);

/* --- making elements --- */

/* Control characters and those that turn the direction of text are shown, not obeyed. */
function visible(text) {
    return String(text).replace(
        /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
        (character) => "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0"),
    );
}

function complete(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
        if (typeof value === "function") {
            element.addEventListener(name, value);
        } else if (value !== null && value !== undefined && value !== false) {
            element.setAttribute(name, value === true ? "" : value);
        }
    }
    for (const child of children.flat()) {
        if (child !== null && child !== undefined) {
            element.append(child instanceof Node ? child : visible(child));
        }
    }
    return element;
}

/* What the tool says, as a sentence; figures stay on one line with their units. */
function prose(text) {
    const sentence = text ? capitalized(String(text)) + (/[.!?:;)]\s*$/.test(text) ? "" : ".") : "";
    return sentence.replace(/(\d) (?=(%|[kMGT]?i?B|ms|s|min|h|bytes)(\W|$))/g, "$1\u00a0");
}

/* make("p", {class: "note"}, "text", other_element): attributes that are functions listen to the event of that name. */
function make(tag, attributes, ...children) {
    return complete(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
    return complete(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/* Lets a picture be walked through by pointer and by keys. `follow` takes an event of the pointer; `targets` tells
 * where each key leads from here, for `move_to`. */
function point_at(element, follow, hide, move_to, targets) {
    element.addEventListener("pointermove", follow);
    element.addEventListener("pointerdown", follow);
    element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
    element.addEventListener("blur", hide);
    element.addEventListener("keydown", (event) => {
        const target = targets()[event.key];
        if (event.key === "Escape") {
            hide();
        } else if (target !== undefined) {
            event.preventDefault();
            move_to(target);
        }
    });
}

function show(id, ...children) {
    const element = by_id(id);
    element.hidden = children.length === 0;
    element.replaceChildren();
    return complete(element, null, children);
}

/* --- figures as text, with a space between figure and unit that does not break --- */

const is_number = (value) => typeof value === "number" && Number.isFinite(value);
const is_known = (value) => is_number(value) && value >= 0;

function digits(value) {
    const size = Math.abs(value);
    return value.toFixed(size >= 99.5 || size === 0 ? 0 : size >= 0.95 ? 1 : 2);
}

function bytes(value) {
    if (!is_number(value)) {
        return "unknown";
    }
    const size = Math.abs(value);
    const [unit, name] = size >= 1e10 ? [1e9, "GB"] :
        size >= 999500                ? [1e6, "MB"] :
        size >= 1000                  ? [1e3, "kB"] :
                                        [1, "B"];
    return (unit === 1 ? String(Math.round(value)) : digits(value / unit)).replace("-", "−") + "\u00a0" + name;
}

/* Of sizes that are powers of two or simple parts of them: in KiB and MiB they are round. */
function round_bytes(value) {
    const [unit, name] = value >= 2 ** 20 ? [2 ** 20, "MiB"] : value >= 1024 ? [1024, "KiB"] : [1, "B"];
    return count(Number((value / unit).toPrecision(4))) + "\u00a0" + name;
}

function signed(value) {
    return value > 0 ? "+" + bytes(value) : bytes(value);
}

const count = (value) => (is_number(value) ? value.toLocaleString("en-US") : "unknown");
const percent = (part, whole) => (whole > 0 ? Math.round((100 * part) / whole) + "\u00a0%" : "0\u00a0%");

function duration(seconds) {
    if (!is_number(seconds)) {
        return "unknown";
    }
    const [unit, name] = seconds >= 7200 ? [3600, "h"] : seconds >= 180 ? [60, "min"] : [1, "s"];
    if (seconds < 1 && seconds > 0) {
        return digits(seconds * 1000) + "\u00a0ms";
    }
    const value = seconds / unit;
    return (value < 9.995 && value !== 0 ? value.toFixed(2) : digits(value)) + "\u00a0" + name;
}

const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/* --- the samples of a process --- */

/* Of the split: {time, rss, shares: [{...SHARES[i], values}], split: false when only rss is known}. */
function samples_of(process) {
    const split = process.split || {};
    const time = (split.time_s || []).map((value) => (is_number(value) ? value : 0));
    const column = (name) => {
        const values = Array.isArray(split[name]) ? split[name] : [];
        return time.map((_, i) => (is_known(values[i]) ? values[i] : 0));
    };
    const rss = column("rss");
    let shares = SHARES.map((share) => ({...share, values: column(share.name)}));
    const known = shares.some((share) => share.values.some((value) => value > 0));
    if (!known) {
        shares =
            [{name: "resident", color: "rest", about: "not metered: what it is used for is not known", values: rss}];
    }
    return {time, rss, shares, split: known};
}

function index_of_peak(samples) {
    return samples.rss.reduce((best, value, i) => (value > samples.rss[best] ? i : best), 0);
}

/* At least 1, so that it can be divided by. */
const highest_rss = (samples) => Math.max(1, samples.rss[index_of_peak(samples)] || 0);

/* Indices of samples to draw: of each of `buckets` spans of time the first, the last and the extremes of rss and of
 * the first share, so that a line through them touches all that a line through all samples does. */
function decimated(samples, buckets) {
    const {time, rss} = samples;
    const low = samples.shares[0].values;
    const n = time.length;
    if (n <= 5 * buckets) {
        return time.map((_, i) => i);
    }
    const span = time[n - 1] - time[0] || 1;
    const kept = new Set();
    let start = 0;
    while (start < n) {
        const bucket = Math.floor(((time[start] - time[0]) / span) * buckets);
        const best = [start, start, start, start];
        let end = start;
        while (end < n && (end === start || Math.floor(((time[end] - time[0]) / span) * buckets) === bucket)) {
            best[0] = rss[end] < rss[best[0]] ? end : best[0];
            best[1] = rss[end] > rss[best[1]] ? end : best[1];
            best[2] = low[end] < low[best[2]] ? end : best[2];
            best[3] = low[end] > low[best[3]] ? end : best[3];
            ++end;
        }
        [start, end - 1, ...best].forEach((i) => kept.add(i));
        start = end;
    }
    return [...kept].sort((a, b) => a - b);
}

/* Round numbers from 0 or `from` to at least `to`, about `wanted` of them. */
function ticks(from, to, wanted) {
    const rough = (to - from || 1) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.8);
    const first = Math.ceil(from / step - 1e-9);
    const last = Math.floor(to / step + 1e-9);
    return Array.from({length: Math.max(0, last - first + 1)}, (_, i) => (first + i) * step);
}

/* --- the head --- */

function swatch(share) {
    const style = `--fill: var(--${share.color}); --angle: ${share.angle || 0}deg`;
    return make("span", {class: share.angle ? "swatch hatched" : "swatch", style});
}

function draw_head(report) {
    const verdict = report.verdict || "not enough evidence";
    document.title = `${capitalized(visible(verdict))} – ladle doctor`;
    by_id("headline").textContent = visible(capitalized(verdict));
    by_id("sentence").textContent = visible(prose(report.sentence || ""));
    by_id("sentence").hidden = !report.sentence;
    if (report.cure) {
        show("cure", make("strong", null, "Cure "), prose(report.cure));
    }
    draw_peak_bar(state.process);
    const facts = [];
    const fact = (name, ...content) => facts.push(make("dt", null, name), make("dd", null, ...content));
    const command = (report.command || []).map(quoted).join(" ");
    fact("command", make("bdi", {class: "mono"}, command || "unknown"));
    const processes = report.processes || [];
    if (is_number(report.status)) {
        const end = processes.length === 1 && processes[0].end ? processes[0].end : "";
        const after = is_known(report.seconds) ? ` after ${duration(report.seconds)}` : "";
        fact("ended", `with status ${report.status}${after}`, end && !end.startsWith("exited") ? `, ${end}` : "");
    }
    if (processes.length > 1) {
        const unmetered = processes.filter((process) => process.metered === false).length;
        const peak = is_known(report.peak_rss) ? `; all together had at most ${bytes(report.peak_rss)} resident` : "";
        const {pid, command: words} = state.process;
        fact("verdict of", `process ${pid}, `, make("bdi", {class: "mono"}, words || ""));
        fact("processes", `${processes.length}`, unmetered ? `, ${unmetered} of them not metered` : "", peak);
    }
    const platform = report.platform || {};
    const words = [platform.system, platform.libc].filter(Boolean);
    if (is_known(platform.processors)) {
        words.push(`${platform.processors} processors`);
    }
    if (is_known(platform.memory_nbytes)) {
        words.push(`${bytes(platform.memory_nbytes)} of memory`);
    }
    if (is_known(platform.page_nbytes)) {
        words.push(`pages of ${count(platform.page_nbytes)} B`);
    }
    if (words.length) {
        fact("platform", words.join(", "));
    }
    show("facts", ...facts);
}

/* As it can be typed into a shell. */
function quoted(word) {
    return /^[A-Za-z0-9_\-+=/.,:@%]+$/.test(word) ? word : "'" + String(word).replaceAll("'", "'\\''") + "'";
}

/* One bar of what the peak is made of, with words below the shares that are wide enough for them. */
function draw_peak_bar(process) {
    const samples = process ? samples_of(process) : {time: []};
    if (!samples.time.length || !samples.split) {
        show("at-peak");
        return;
    }
    const at = index_of_peak(samples);
    const total = samples.rss[at];
    const width = by_id("verdict").clientWidth;
    const bar = make("div", {class: "peak-bar", role: "img", "aria-label": "shares of the peak, listed below"});
    const words = make("div", {class: "peak-words"});
    for (const share of samples.shares.filter((each) => each.values[at] > 0)) {
        const value = share.values[at];
        const style = `--fill: var(--${share.color}); --angle: ${share.angle || 0}deg; flex: ${value} 1 0`;
        const title = `${share.name}: ${bytes(value)}, ${percent(value, total)}`;
        bar.append(make("span", {class: share.angle ? "hatched" : null, style, title}));
        const wide = (value / total) * width > 92;
        words.append(
            make(
                "span",
                {style: `flex: ${value} 1 0`},
                wide ? share.name : "",
                wide ? make("br") : null,
                wide ? make("b", {class: "number"}, bytes(value)) : null
            ),
        );
    }
    show(
        "at-peak",
        make(
            "p",
            {class: "peak-title"},
            "At the peak ",
            make("b", null, `${bytes(total)} were resident`),
            " (RSS). Of these:"
        ),
        bar,
        words,
    );
}

/* --- the processes --- */

const PROCESSES_SHOWN = 8;

function by_peak(report) {
    return [...(report.processes || [])].sort((a, b) => (b.peak_rss || 0) - (a.peak_rss || 0));
}

/* When and how large each process was, all on one axis of time. */
function sparkline(process, total_s) {
    const samples = samples_of(process);
    const svg = draw("svg", {viewBox: "0 0 120 24", preserveAspectRatio: "none", "aria-hidden": true});
    const top = highest_rss(samples);
    const points = decimated(samples, 40)
                       .map(
                           (i) =>
                               [(samples.time[i] / total_s) * 120,
                                23 - (samples.rss[i] / top) * 21,
    ]
                       );
    if (points.length) {
        const end = Math.max(points[points.length - 1][0], points[0][0] + 2);
        const line = [...points, [end, points[points.length - 1][1]]];
        const area = [[points[0][0], 24], ...line, [end, 24]];
        svg.append(draw("polygon", {points: area.map(rounded).join(" "), fill: "var(--live)"}));
    }
    return svg;
}

const rounded = (point) => point.map((value) => Math.round(value * 10) / 10).join(",");

function draw_processes(all_shown) {
    const processes = by_peak(state.report);
    if (processes.length < 2) {
        show("processes");
        return;
    }
    const total_s = Math.max(...processes.map((process) => samples_of(process).time.at(-1) || 0)) || 1;
    const shown = processes.filter((each, i) => all_shown || i < PROCESSES_SHOWN || each === state.process);
    const rows = shown.map(
        (process) => make(
            "button",
            {
                type: "button",
                class: "process",
                "aria-pressed": String(process === state.process),
                title: visible(process.command || ""),
                click: () => {
                    state.process = process;
                    draw_processes(all_shown);
                    draw_process();
                    by_id("processes").querySelector("[aria-pressed=true]").focus();
                },
            },
            make("span", {class: "spark"}, sparkline(process, total_s)),
            make("span", null, `${process.pid} `, make("bdi", {class: "mono"}, process.command || "")),
            make(
                "span",
                {class: `verdict-word ${URGENCY[process.verdict] === "bad" ? "bad" : ""}`},
                process.metered === false ? "not metered" : process.verdict || ""
            ),
            make("span", {class: "number peak"}, bytes(process.peak_rss)),
            make("span", {class: "number final"}, bytes(process.final_rss)),
        ),
    );
    const head = make(
        "div",
        {class: "process head", "aria-hidden": true},
        ...["when it ran", "process", "verdict"].map((text) => make("span", null, text)),
        ...["peak RSS", "at the end"].map((text) => make("span", {class: "number"}, text)),
    );
    const hidden = processes.length - shown.length;
    const more = make(
        "button",
        {type: "button", class: "more-button", click: () => draw_processes(true)},
        `Show all ${processes.length} processes`
    );
    show("processes", head, ...rows, ...(hidden > 0 ? [more] : []));
}

/* What is said of one process, where there are several. */
function draw_diagnosis(process) {
    const lines = [];
    if (process.sentence !== state.report.sentence) {
        lines.push(
            make(
                "p",
                null,
                make(
                    "b",
                    null,
                    `${process.pid}: ${process.metered === false ? "not metered" : process.verdict || "no verdict"}. `
                ),
                prose(process.sentence || ""),
                process.cure ? ` Cure: ${prose(process.cure)}` : ""
            ),
        );
    }
    if (process.metered === false) {
        lines.push(
            make("p", {class: "bad"}, `Only its resident memory is known: ${process.why_not || "it was not metered"}.`)
        );
    }
    show("diagnosis", ...lines);
}

/* --- all of it --- */

function draw_process() {
    const process = state.process;
    draw_diagnosis(process);
    draw_timeline(process);
    draw_classes(process);
    draw_stacks(process);
    draw_map(process);
}

/* What other options of the tool would add, and the data. */
function draw_footer(report, text) {
    const processes = report.processes || [];
    const missing = [
        [(report.trial || []).length === 0, "--allocators tries other allocators"],
        [processes.every((process) => !process.stacks), "--stacks names the callers that hold memory"],
        [processes.every((process) => !process.map), "--map draws the heap page by page"],
    ].filter(([absent]) => absent);
    if (missing.length) {
        show("more", `More can be asked of ladle doctor: ${missing.map(([, words]) => words).join("; ")}.`);
    }
    const url = URL.createObjectURL(new Blob([text], {type: "application/json"}));
    show(
        "download",
        make("a", {href: url, download: "ladle-doctor.json"}, "Download the data of this page"),
        " (JSON, as ladle doctor --json prints it)."
    );
}

function main() {
    const text = by_id("data").textContent;
    try {
        state.report = JSON.parse(text);
    } catch (error) {
        by_id("headline").textContent = "Not readable";
        by_id("sentence").textContent =
            visible(`The data in this page are not complete: ${error.message}. Write the report again.`);
        return;
    }
    const report = state.report;
    const processes = by_peak(report);
    state.process = (report.processes || [])[report.decides] || processes[0] || null;
    draw_head(report);
    draw_trial(report);
    draw_footer(report, text);
    if (state.process === null) {
        return;
    }
    draw_processes(false);
    draw_process();
    /* What is drawn into a canvas does not change with the style. */
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw_map(state.process));
    let width = document.documentElement.clientWidth;
    window.addEventListener("resize", () => {
        if (document.documentElement.clientWidth !== width) {
            width = document.documentElement.clientWidth;
            draw_timeline(state.process);
            draw_map(state.process);
        }
    });
}
