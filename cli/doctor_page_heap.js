/* What is in the heap of a process: its size classes, the stacks that hold memory, the map of its pages. */

/* --- size classes --- */

const CLASSES_SHOWN = 12;

/* The last class has no limit: it is the largest integer of 64 bits, which JavaScript rounds up. */
const size_class_name = (limit) => (limit >= 2 ** 62 ? "larger" : `to ${round_bytes(limit)}`);

function draw_classes(process, all_shown) {
    const classes = (process.size_classes || []).filter((each) => each.nbytes > 0 || each.growth > 0);
    by_id("classes").hidden = classes.length === 0;
    if (!classes.length) {
        return;
    }
    classes.sort((a, b) => b.nbytes - a.nbytes);
    const total = classes.reduce((sum, each) => sum + each.nbytes, 0);
    const most = Math.max(...classes.map((each) => each.nbytes), 1);
    /* Growth that matters: a hundredth of what is live (of what was resident, where it is no leak), and a twentieth of
     * the class; what was let go of before the end does not count. */
    const whole = process.verdict === "leak" ? total : Math.max(total, process.peak_rss || 0);
    const kept_growth = (each) => Math.max(0, Math.min(each.growth || 0, each.nbytes));
    const grows = (each) => kept_growth(each) > 0.01 * whole && kept_growth(each) > 0.05 * each.nbytes;
    const n_growing = classes.filter(grows).length;
    const n_blocks = classes.reduce((sum, each) => sum + each.blocks, 0);
    const verb = n_growing === 1 ? "grows" : "grow";
    by_id("classes-about").textContent = `${bytes(total)} in ${count(n_blocks)} blocks at the end. ` +
        (n_growing ? "Orange is growth from the middle of the run to its end: " +
                 `${n_growing} of ${classes.length} classes ${verb}.` :
                     "No class grows much from the middle of the run to its end.");
    const row = (each) => {
        const grown = kept_growth(each);
        const width = (value) => `width: ${((100 * value) / most).toFixed(2)}%`;
        const old = make("i", {style: `--fill: var(--live); ${width(each.nbytes - (grows(each) ? grown : 0))}`});
        const fresh = make("i", {class: "hatched", style: `--fill: var(--pinned); --angle: 135deg; ${width(grown)}`});
        return make(
            "tr",
            null,
            make("td", {class: "number"}, size_class_name(each.limit)),
            make("td", {class: "cell-bar"}, make("div", null, old, grows(each) ? fresh : null)),
            make("td", {class: "number"}, bytes(each.nbytes)),
            make("td", {class: "number"}, count(each.blocks)),
            make(
                "td",
                {class: grows(each) ? "number grows" : "number"},
                is_number(each.growth) ? signed(each.growth) : ""
            ),
        );
    };
    const shown = all_shown ? classes : classes.slice(0, CLASSES_SHOWN);
    const head = [["block of"], ["", "cell-bar"], ["live"], ["blocks"], ["growth"]].map(
        ([text, name]) => make("th", {scope: "col", class: name}, text),
    );
    const table =
        make("table", null, make("thead", null, make("tr", null, ...head)), make("tbody", null, ...shown.map(row)));
    const more = make(
        "button",
        {type: "button", class: "more-button", click: () => draw_classes(process, true)},
        `Show all ${classes.length} classes`,
    );
    show("classes-table", table, ...(shown.length < classes.length ? [more] : []));
}

/* --- stacks --- */

/* "function (library)" with the library set back. */
function frame_words(frame) {
    const match = /^(.*) \(([^()]*)\)$/.exec(frame);
    return match ? [visible(match[1]), make("span", {class: "library"}, ` ${match[2]}`)] : [visible(frame)];
}

/* Frames that say only that memory was asked for. */
const ALLOCATES = new RegExp(
    "^(operator new|std::|_?Py(Mem|Object)_\\w*([MC]|Re)alloc\\b|PyDataMem_|" +
    "(__libc_|default_|g_)?(malloc|calloc|realloc|memalign|aligned_alloc|posix_memalign|strn?dup)\\b)"
);

function draw_stacks(process) {
    const stacks = [...(process.stacks || [])].sort((a, b) => b.nbytes - a.nbytes);
    by_id("stacks").hidden = !process.stacks;
    if (!process.stacks) {
        return;
    }
    const total = stacks.reduce((sum, stack) => sum + stack.nbytes, 0);
    by_id("stacks-about").textContent = stacks.length ?
        `Estimates from samples of the allocations that are live: ${bytes(total)} in ${
            stacks.length} places, innermost frame first.` :
        "No sampled allocation was live at the end.";
    const elements = stacks.map((stack, i) => {
        const frames = stack.frames || [];
        const caller = frames.find((frame) => !ALLOCATES.test(frame)) || frames[0];
        const growth = stack.growth > 0 ? `, ${bytes(stack.growth)} more than in the middle of the run` : "";
        const about = `${bytes(stack.nbytes)} in ${count(stack.blocks)} blocks${growth}`;
        return make(
            "details",
            {class: "stack", open: i === 0},
            make(
                "summary",
                {title: about},
                make("b", {class: "number"}, bytes(stack.nbytes)),
                make("span", {class: "number library"}, `${count(stack.blocks)} ×`),
                make("span", {class: "top-frame mono"}, ...(caller ? frame_words(caller) : ["(no frames)"])),
            ),
            growth ? make("p", {class: "stack-growth"}, `${about}.`) : null,
            make("ol", null, ...frames.map((frame) => make("li", null, ...frame_words(frame)))),
        );
    });
    show("stacks-list", ...elements);
    by_id("stacks-list").hidden = false;
}

/* --- the heap map --- */

const TILE = {
    width: 7,
    height: 11,
    gap: 1
};
const REGIONS_SHOWN = 24; /* each with its own drawing; smaller ones share the last */
const map_view = {
    process: null,
    finer: 0
};

/* Sums over the pages [from, to) of a region; `used` and `holes` in tenths of a page. */
function pages_between(pages, from, to) {
    const sum = {pages: to - from, used: 0, holes: 0, empty: 0, absent: 0};
    for (let i = from; i < to; ++i) {
        const code = pages.charCodeAt(i);
        if (code === 88) {
            sum.used += 10;
        } else if (code === 48) {
            sum.empty += 1;
        } else if (code >= 49 && code <= 57) {
            sum.used += code - 48;
            sum.holes += 58 - code;
        } else {
            sum.absent += 1;
        }
    }
    return sum;
}

function map_words(sum, page_nbytes) {
    const words = [`${bytes((sum.used * page_nbytes) / 10)} used`];
    if (sum.holes) {
        words.push(`${bytes((sum.holes * page_nbytes) / 10)} in holes`);
    }
    if (sum.empty) {
        words.push(`${bytes(sum.empty * page_nbytes)} in empty pages`);
    }
    if (sum.absent) {
        words.push(`${bytes(sum.absent * page_nbytes)} not resident`);
    }
    return words.join(", ");
}

function draw_map(process) {
    const map = process.map;
    const regions = map && Array.isArray(map.regions) ? map.regions.filter((region) => region.pages) : [];
    by_id("map").hidden = regions.length === 0;
    if (!regions.length) {
        return;
    }
    if (map_view.process !== process) {
        map_view.process = process;
        map_view.finer = 0;
    }
    const page_nbytes = map.page_nbytes || 4096;
    const n_pages = regions.reduce((sum, region) => sum + region.pages.length, 0);
    const width = Math.max(240, by_id("map-regions").clientWidth || by_id("map").clientWidth);
    const columns = Math.floor((width + TILE.gap) / (TILE.width + TILE.gap));
    /* As many tiles as make a drawing of two screens; each step of "finer" doubles them. */
    let coarse = 1;
    while (n_pages / coarse > columns * 80) {
        coarse *= 2;
    }
    const finest = Math.max(1, 2 ** Math.ceil(Math.log2(n_pages / 60000)));
    const per_tile = Math.min(1024 * coarse, Math.max(Math.min(finest, coarse), coarse / 2 ** map_view.finer));
    describe_map(map, regions, page_nbytes);
    draw_map_controls(process, per_tile, per_tile > Math.min(finest, coarse), n_pages / per_tile > 64, page_nbytes);
    const large = new Set(
        regions.filter((region) => region.kind !== "mapped" || region.pages.length / per_tile >= columns)
            .sort((a, b) => b.pages.length - a.pages.length)
            .slice(0, REGIONS_SHOWN),
    );
    const small = regions.filter((region) => !large.has(region));
    const drawings = regions.filter(
                                (region) => large.has(region)
    ).map((region) => draw_region([region], region_words(region, page_nbytes), columns, per_tile, page_nbytes));
    if (small.length) {
        const title = make(
            "p", null, make("b", null, small.length === 1 ? "One small region" : `${small.length} smaller regions`)
        );
        drawings.push(draw_region(small, title, columns, per_tile, page_nbytes));
    }
    show("map-regions", ...drawings);
}

function describe_map(map, regions, page_nbytes) {
    const all = {used: 0, holes: 0, empty: 0, absent: 0};
    for (const region of regions) {
        const sum = pages_between(region.pages, 0, region.pages.length);
        Object.keys(all).forEach((key) => (all[key] += sum[key]));
    }
    const resident = all.used / 10 + all.holes / 10 + all.empty;
    const share = percent(all.used / 10, resident);
    const size = bytes(resident * page_nbytes);
    const when = duration(map.time_s);
    by_id("map-about").textContent =
        `The address space of the heap as it was ${when} into the run, in lines of tiles from low to high addresses. ` +
        "A tile is filled from below: blue as far as live blocks fill it, then orange for the holes between them, " +
        "then amber for pages that are resident and have no block at all; what is left open is not resident and " +
        `costs nothing. Of ${size} resident, ${
            share} is used. Much amber is memory that a trim returns. Much orange is ` +
        "fragmentation: no page of it can go while a block next to it lives.";
    const key = (words, style) => make("span", null, make("i", {class: "page-key", style}), words);
    const level = (part, color) =>
        `background: linear-gradient(to top, var(--live) ${part}%, var(--${color}) ${part}% 100%)`;
    show(
        "map-legend",
        key(`full: ${bytes((all.used * page_nbytes) / 10)} used`, level(100, "live")),
        key(`partly used: ${bytes((all.holes * page_nbytes) / 10)} in holes`, level(40, "pinned")),
        key(`resident, empty: ${bytes(all.empty * page_nbytes)}`, level(0, "returnable")),
        key(`not resident: ${bytes(all.absent * page_nbytes)}`, null),
    );
}

function draw_map_controls(process, per_tile, can_refine, can_coarsen, page_nbytes) {
    const step = (by) => () => {
        map_view.finer += by;
        draw_map(process);
        const buttons = [...by_id("map-controls").querySelectorAll("button")];
        const again = buttons[by > 0 ? 1 : 0];
        (again.disabled ? buttons[by > 0 ? 0 : 1] : again).focus();
    };
    const pages = per_tile === 1 ? "one page" : `${count(per_tile)} pages`;
    show(
        "map-controls",
        make("span", null, `A tile: ${pages}, ${round_bytes(per_tile * page_nbytes)}`),
        make("button", {type: "button", disabled: !can_coarsen, click: step(-1)}, "Coarser"),
        make("button", {type: "button", disabled: !can_refine, click: step(1)}, "Finer"),
    );
}

const KINDS = {
    heap: "main heap",
    arena: "thread arena",
    mapped: "mapped block"
};

function region_words(region, page_nbytes) {
    const sum = pages_between(region.pages, 0, region.pages.length);
    const kind = KINDS[region.kind] || region.kind || "region";
    return make(
        "p",
        null,
        make("b", null, `${capitalized(kind)} `),
        make("span", {class: "mono"}, region.start),
        `, ${bytes(region.nbytes)}: ${map_words(sum, page_nbytes)}`,
    );
}

const hex_address = (start, offset) => {
    try {
        return "0x" + (BigInt(start) + BigInt(offset)).toString(16);
    } catch {
        return `${start} + ${offset}`;
    }
};

/* Regions one after the other in lines of tiles, with the place of a tile (null) between them. */
function draw_region(regions, title, columns, per_tile, page_nbytes) {
    const tiles = [];
    for (const region of regions) {
        if (tiles.length) {
            tiles.push(null);
        }
        for (let from = 0; from < region.pages.length; from += per_tile) {
            tiles.push({region, from, to: Math.min(region.pages.length, from + per_tile)});
        }
    }
    const rows = Math.ceil(tiles.length / columns);
    const used_columns = Math.min(columns, tiles.length);
    const size = {
        width: used_columns * (TILE.width + TILE.gap) - TILE.gap,
        height: rows * (TILE.height + TILE.gap) - TILE.gap,
    };
    const scale = Math.min(2, window.devicePixelRatio || 1);
    const canvas = make("canvas", {
        width: Math.round(size.width * scale),
        height: Math.round(size.height * scale),
        style: `width: ${size.width}px; aspect-ratio: ${size.width} / ${size.height}`,
        tabindex: 0,
        role: "img",
        "aria-label": title.textContent,
    });
    const paint = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const colors = Object.fromEntries(
        ["live", "pinned", "returnable", "outline"].map((name) => [name, style.getPropertyValue(`--${name}`)]),
    );
    paint.scale(scale, scale);
    const place = (i) => [(i % columns) * (TILE.width + TILE.gap), Math.floor(i / columns) * (TILE.height + TILE.gap)];
    tiles.forEach((tile, i) => {
        if (tile !== null) {
            const [x, y] = place(i);
            paint_tile(paint, x, y, pages_between(tile.region.pages, tile.from, tile.to), colors);
        }
    });
    const element = make("div", {class: "region"}, title, canvas);
    watch_tiles(element, canvas, tiles, {columns, size, page_nbytes});
    return element;
}

function paint_tile(paint, x, y, sum, colors) {
    if (sum.absent) {
        paint.strokeStyle = colors.outline;
        paint.lineWidth = 0.6;
        paint.strokeRect(x + 0.3, y + 0.3, TILE.width - 0.6, TILE.height - 0.6);
    }
    let bottom = y + TILE.height;
    const layers = [
        [sum.used / 10, colors.live],
        [sum.holes / 10, colors.pinned],
        [sum.empty, colors.returnable],
    ];
    for (const [part, color] of layers) {
        const height = (part / sum.pages) * TILE.height;
        if (height > 0) {
            paint.fillStyle = color;
            paint.fillRect(x, bottom - height, TILE.width, height);
            bottom -= height;
        }
    }
}

/* Address and fill of the tile that is pointed at, or that the arrow keys lead to. */
function watch_tiles(element, canvas, tiles, view) {
    const tip = make("div", {class: "tip", hidden: true, role: "status"});
    const mark = make("div", {class: "tile-mark", hidden: true});
    let at = 0;
    element.append(mark, tip);
    const move_to = (index) => {
        const step = index < at ? -1 : 1;
        at = Math.max(0, Math.min(tiles.length - 1, index));
        at += tiles[at] === null ? step : 0;
        const tile = tiles[at];
        const sum = pages_between(tile.region.pages, tile.from, tile.to);
        const n = tile.to - tile.from;
        tip.replaceChildren(
            make("b", {class: "mono"}, hex_address(tile.region.start, tile.from * view.page_nbytes)),
            make("br"),
            `${n === 1 ? "one page" : `${count(n)} pages`}: ${map_words(sum, view.page_nbytes)}`,
        );
        tip.hidden = false;
        const scale = canvas.clientWidth / view.size.width;
        const x = (at % view.columns) * (TILE.width + TILE.gap) * scale;
        const y = Math.floor(at / view.columns) * (TILE.height + TILE.gap) * scale;
        const room = element.clientWidth - tip.offsetWidth;
        const top = canvas.offsetTop + y;
        mark.hidden = false;
        mark.style = `left: ${x}px; top: ${top}px; width: ${TILE.width * scale}px; height: ${TILE.height * scale}px`;
        tip.style.left = `${Math.max(0, Math.min(room, x - tip.offsetWidth / 2))}px`;
        tip.style.top = `${top + TILE.height + 8}px`;
    };
    const follow = (event) => {
        const place = canvas.getBoundingClientRect();
        const scale = place.width / view.size.width;
        const column = Math.floor((event.clientX - place.left) / scale / (TILE.width + TILE.gap));
        const row = Math.floor((event.clientY - place.top) / scale / (TILE.height + TILE.gap));
        const index = row * view.columns + Math.max(0, Math.min(view.columns - 1, column));
        if (index >= 0 && index < tiles.length) {
            move_to(index);
        }
    };
    const hide = () => (tip.hidden = mark.hidden = true);
    point_at(canvas, follow, hide, move_to, () => ({
        ArrowLeft: at - 1,
        ArrowRight: at + 1,
        ArrowUp: at - view.columns,
        ArrowDown: at + view.columns,
        Home: 0,
        End: tiles.length - 1,
    }));
}
