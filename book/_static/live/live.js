/* The live pages: one Worker with the engine, networks loaded when the reader asks, and the parts explorers are made of.
   Classic scripts only, since a page opened from file:// loads no modules and may fetch nothing. */
(() => {
  "use strict";
  const live = (window.live ??= {});
  const base = new URL(".", document.currentScript.src).href;
  live.explorers ??= {};

  /* ---- Scripts, the Worker, networks, photographs ---- */

  const scripts = new Map();
  const script = (file) => {
    if (!scripts.has(file))
      scripts.set(file, new Promise((resolve, reject) => {
        const tag = document.createElement("script");
        tag.src = base + file;
        tag.onload = resolve;
        tag.onerror = () => {
          scripts.delete(file); // so that another click tries again
          reject(new Error(`${file}을(를) 읽지 못했다. 연결을 확인하고 다시 눌러 보자.`));
        };
        document.head.append(tag);
      }));
    return scripts.get(file);
  };
  live.script = script;

  let worker = null;
  const waiting = new Map();
  live.plain = new URLSearchParams(location.search).has("plain"); // ?plain: without WebAssembly, to compare

  async function start() {
    await Promise.all([script("engine.js"), script("kernel.js")]);
    const kernel = live.plain ? null : live.kernel;
    const text = `${liveEngine};${liveWorker};liveWorker(liveEngine(${JSON.stringify(kernel)}))`;
    const made = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    await new Promise((resolve, reject) => {
      made.onmessage = ({ data }) => { live.simd = data.simd; resolve(); };
      made.onerror = (event) => reject(new Error(event.message));
    });
    made.onmessage = ({ data: { id, value, error } }) => {
      const [resolve, reject] = waiting.get(id);
      waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(value);
    };
    return made;
  }

  /* Ask the engine: live.call("dense", "vgg-caltech", photograph, [128], true). */
  let asked = 0;
  live.call = async (call, ...args) => {
    const running = await (worker ??= start().catch((error) => { worker = null; throw error; }));
    return new Promise((resolve, reject) => {
      waiting.set(++asked, [resolve, reject]);
      running.postMessage({ id: asked, call, args });
    });
  };

  const loaded = new Map();
  live.network = (name) => {
    if (!loaded.has(name))
      loaded.set(name, (async () => {
        await script(`networks/${name}.js`);
        const description = live.networks[name];
        await live.call("load", name, description);
        const { weights, channels, ...rest } = description;
        return (live.networks[name] = rest);
      })().catch((error) => { loaded.delete(name); throw error; }));
    return loaded.get(name);
  };

  /* An image's pixels, 8-bit RGB; a large photograph is first drawn smaller. */
  async function pixels(source) {
    const bitmap = await createImageBitmap(source);
    const scale = Math.min(1, 640 / Math.min(bitmap.width, bitmap.height));
    const width = Math.round(bitmap.width * scale), height = Math.round(bitmap.height * scale);
    if (Math.max(width, height) > 16 * Math.min(width, height)) throw new Error("너무 길쭉한 사진이다.");
    const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.imageSmoothingQuality = "high";
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height); // behind what is transparent
    pen.drawImage(bitmap, 0, 0, width, height);
    const all = pen.getImageData(0, 0, width, height).data, data = new Uint8Array(width * height * 3);
    for (let i = 0, j = 0; i < all.length; i += 4) {
      data[j++] = all[i];
      data[j++] = all[i + 1];
      data[j++] = all[i + 2];
    }
    return { width, height, data };
  }
  live.pixels = pixels;

  live.photograph = async (name) => {
    await script("photographs.js");
    const { title, jpeg } = live.photographs[name];
    const bytes = Uint8Array.from(atob(jpeg), (c) => c.charCodeAt(0));
    return { title, ...(await pixels(new Blob([bytes], { type: "image/jpeg" }))) };
  };

  /* ---- Elements ---- */

  const element = (name, properties = {}, ...children) => {
    const tag = ["svg", "g", "path", "rect", "line", "circle", "text", "title"].includes(name)
      ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key.startsWith("on")) tag.addEventListener(key.slice(2), value);
      else if (value === true) tag.setAttribute(key, "");
      else if (value !== false && value != null) tag.setAttribute(key, value);
    }
    tag.append(...children.flat().filter((child) => child != null && child !== false));
    return tag;
  };
  live.element = element;

  let named = 0;
  const label = (text, control, ...more) => {
    control.id ||= `live-${++named}`;
    return element("div", { class: "live-control" }, element("label", { for: control.id }, text), control, ...more);
  };

  live.slider = (text, { min, max, step = 1, value, show = String }, change) => {
    const shown = element("output", {}, show(value));
    const control = element("input", { type: "range", min, max, step, value, "aria-valuetext": show(value) });
    control.addEventListener("input", () => {
      shown.textContent = show(+control.value);
      control.setAttribute("aria-valuetext", shown.textContent);
      change(+control.value);
    });
    const made = label(text, control, shown);
    made.set = (to, limit) => {
      if (limit != null) control.max = limit;
      control.value = to;
      shown.textContent = show(+control.value);
      control.setAttribute("aria-valuetext", shown.textContent);
      return +control.value;
    };
    return made;
  };

  /* `options`: pairs of value and text. */
  live.select = (text, options, value, change) => {
    const control = element("select", {}, options.map(([v, t]) => element("option", { value: v, selected: v === value }, t)));
    control.addEventListener("change", () => change(control.value));
    const made = label(text, control);
    made.set = (to, others) => {
      if (others) control.replaceChildren(...others.map(([v, t]) => element("option", { value: v }, t)));
      control.value = to;
    };
    return made;
  };

  live.check = (text, value, change) => {
    const control = element("input", { type: "checkbox", checked: value });
    control.addEventListener("change", () => change(control.checked));
    return element("label", { class: "live-check" }, control, element("span", {}, text));
  };

  /* One of a few: buttons that stand side by side. */
  live.choice = (text, options, value, change) => {
    const group = element("div", { class: "live-choice", role: "group", "aria-label": text });
    const press = (chosen) => group.querySelectorAll("button").forEach((b) =>
      b.setAttribute("aria-pressed", b.value === String(chosen)));
    for (const [v, t] of options)
      group.append(element("button", { type: "button", value: v, onclick: () => { press(v); change(v); } }, t));
    press(value);
    const made = element("div", { class: "live-control" }, element("span", { class: "live-name" }, text), group);
    made.set = press;
    return made;
  };

  live.button = (text, press) => element("button", { type: "button", class: "live-button", onclick: press }, text);

  live.table = (head, rows) => element("table", {},
    element("thead", {}, element("tr", {}, head.map((cell) => element("th", { scope: "col" }, cell)))),
    element("tbody", {}, rows.map((row) => element("tr", {}, row.map((cell) => element("td", {}, cell))))));

  /* Big numbers with their names, beside a picture. */
  live.facts = (pairs) => element("dl", { class: "live-facts" },
    pairs.map(([name, value, note]) => element("div", {}, element("dt", {}, name),
      element("dd", {}, value, note && element("small", {}, note)))));

  live.count = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} G` : n >= 1e6 ? `${(n / 1e6).toFixed(1)} M`
    : Math.round(n).toLocaleString("ko-KR"));
  /* 0.000014 as 1.4×10⁻⁵; what is near 1 as it is. */
  const raised = (n) => String(n).replace(/[-\d]/g, (d) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(d)]);
  live.power = (v) => {
    const e = Math.floor(Math.log10(v));
    return Math.abs(e) < 3 ? String(+v.toPrecision(2)) : `${(v / 10 ** e).toFixed(1)}×10${raised(e)}`;
  };
  live.percent = (p) => `${(100 * p).toFixed(1)}%`;

  /* Classes with their probabilities as bars; a row can be pressed. */
  live.bars = (entries, chosen, press) => element("ol", { class: "live-bars" }, entries.map(([name, p, id]) =>
    element("li", {}, element(press ? "button" : "div",
      press ? { type: "button", "aria-pressed": String(id === chosen), onclick: () => press(id) } : {},
      element("span", { class: "live-bar", style: `width:${(100 * p).toFixed(2)}%` }),
      element("span", { class: "live-bar-name" }, name), element("span", {}, live.percent(p))))));

  live.best = (posterior, classes, count = 5) => Array.from(posterior, (p, i) => [live.className(classes[i]), p, i])
    .sort((a, b) => b[1] - a[1]).slice(0, count);
  live.className = (name) => name.replaceAll("_", " ");

  /* ---- Drawing ---- */

  live.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--live-${name}`).trim();

  /* A canvas as wide as its place allows, `ratio` times as high, drawn again when size or colours change.
     `draw(pen, width, height)` counts CSS pixels. */
  live.canvas = (text, draw, { most = 520 } = {}) => {
    const canvas = element("canvas", { role: "img", "aria-label": text });
    const made = { canvas, ratio: 1, most };
    made.draw = () => {
      const width = Math.min(canvas.parentElement?.clientWidth || 0, made.most), height = Math.round(width * made.ratio);
      if (!width) return;
      const dense = window.devicePixelRatio || 1;
      canvas.width = Math.round(width * dense);
      canvas.height = Math.round(height * dense);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      const pen = canvas.getContext("2d");
      pen.scale(dense, dense);
      draw(pen, width, height);
    };
    redraws.add(made.draw);
    return made;
  };
  const redraws = new Set();
  const redraw = () => redraws.forEach((draw) => draw());
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  window.addEventListener("resize", redraw);
  live.onredraw = (draw) => redraws.add(draw);

  /* 8-bit RGB as something a canvas can draw. */
  live.bitmap = ({ width, height, data }) => {
    const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext("2d");
    const image = pen.createImageData(width, height);
    for (let i = 0, j = 0; i < image.data.length; i += 4) {
      image.data[i] = data[j++];
      image.data[i + 1] = data[j++];
      image.data[i + 2] = data[j++];
      image.data[i + 3] = 255;
    }
    pen.putImageData(image, 0, 0);
    return canvas;
  };

  /* From 0 to 1: dark violet, magenta, orange, pale yellow; lightness grows evenly. */
  const RAMP = [[20, 11, 52], [88, 24, 116], [160, 42, 99], [219, 80, 59], [249, 149, 30], [252, 240, 164]];
  live.ramp = (v) => {
    const at = Math.min(Math.max(v, 0), 1) * (RAMP.length - 1), i = Math.min(Math.floor(at), RAMP.length - 2);
    return RAMP[i].map((c, k) => Math.round(c + (at - i) * (RAMP[i + 1][k] - c)));
  };

  /* One channel of a map, or with `channel` null the length of the vector at each place, as a bitmap. */
  live.mapBitmap = (map, channel, range) => {
    const shown = new Float32Array(map.h * map.w);
    for (let i = 0; i < shown.length; i++)
      if (channel == null) {
        let sum = 0;
        for (let c = 0; c < map.c; c++) sum += map.data[i * map.c + c] ** 2;
        shown[i] = Math.sqrt(sum);
      } else shown[i] = map.data[i * map.c + channel];
    let [low, high] = range || [Math.min(0, ...shown), Math.max(...shown)];
    if (high <= low) high = low + 1;
    const data = new Uint8Array(shown.length * 3);
    shown.forEach((v, i) => data.set(live.ramp((v - low) / (high - low)), i * 3));
    return live.bitmap({ width: map.w, height: map.h, data });
  };

  /* Signed pixels around grey. */
  live.signalBitmap = ({ h, w, data }) => {
    const most = data.reduce((a, v) => Math.max(a, Math.abs(v)), 1e-9);
    return live.bitmap({ width: w, height: h, data: Uint8Array.from(data, (v) => 127.5 + (127.5 * v) / most) });
  };

  live.stroke = (pen, colour, x, y, w, h, width = 2) => {
    pen.lineWidth = width + 2;
    pen.strokeStyle = "#000a";
    pen.strokeRect(x, y, w, h);
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.strokeRect(x, y, w, h);
  };

  /* Arrow keys on `target` call `move(dx, dy)`; pointers call `point(x, y)` with shares of its width and height. */
  live.pointable = (target, { point, move, hover = false }) => {
    target.tabIndex = 0;
    const where = (event) => {
      const box = target.getBoundingClientRect();
      point((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    };
    let down = false;
    target.addEventListener("pointerdown", (event) => {
      down = true;
      target.setPointerCapture(event.pointerId);
      where(event);
    });
    target.addEventListener("pointermove", (event) => (down || (hover && event.pointerType === "mouse")) && where(event));
    for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, () => (down = false));
    target.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      move(...step);
    });
  };

  const COLOURS = 6;
  /* Lines over a common x; series: {name, points: [[x, y], ...], dashed}. */
  live.chart = (series, { x, y, log = false, from = null, to = null, format = (v) => +v.toPrecision(3), label: text }) => {
    const W = 640, H = 300, left = 70, right = 18, above = 12, below = 34;
    const f = log ? (v) => Math.log10(Math.max(v, 1e-30)) : (v) => v;
    const points = series.flatMap((one) => one.points.filter(([, v]) => Number.isFinite(f(v))));
    const xs = points.map((p) => p[0]), ys = points.map((p) => f(p[1]));
    const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
    let [y0, y1] = [from ?? Math.min(...ys), to ?? Math.max(...ys)];
    if (log) [y0, y1] = [Math.floor(y0), Math.max(Math.ceil(y1), Math.floor(y0) + 1)];
    if (y1 - y0 < 1e-9) y1 = y0 + 1;
    const px = (v) => left + ((v - x0) / (x1 - x0 || 1)) * (W - left - right);
    const py = (v) => H - below - ((Math.min(Math.max(f(v), y0), y1) - y0) / (y1 - y0)) * (H - above - below);
    const rough = (y1 - y0) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = log ? Math.max(1, Math.ceil((y1 - y0) / 6)) : [1, 2, 5, 10].find((m) => m * power >= rough) * power;
    const ticks = [];
    for (let t = Math.ceil(y0 / step - 1e-9) * step; t <= y1 + 1e-9; t += step) ticks.push(t);
    const xStep = [1, 2, 5, 10, 20, 25, 50, 100].find((s) => (x1 - x0) / s <= 8) || 200;
    const grid = ticks.map((t) => [
      element("line", { class: "live-grid", x1: left, x2: W - right, y1: py(log ? 10 ** t : t), y2: py(log ? 10 ** t : t) }),
      element("text", { x: left - 8, y: py(log ? 10 ** t : t) + 5, "text-anchor": "end" },
        log ? `10${raised(t)}` : String(format(t)))]);
    for (let t = Math.ceil(x0 / xStep) * xStep; t <= x1; t += xStep)
      grid.push(element("text", { x: px(t), y: H - below + 24, "text-anchor": "middle" }, String(t)));
    const lines = series.map((one, i) => element("path", { class: `live-line live-line-${i % COLOURS}`,
      "stroke-dasharray": one.dashed ? "7 5" : null,
      d: one.points.filter(([, v]) => Number.isFinite(f(v)))
        .map((p, k) => `${k ? "L" : "M"}${px(p[0]).toFixed(1)} ${py(p[1]).toFixed(1)}`).join("") }));
    const legend = element("ul", { class: "live-legend" }, series.map((one, i) => element("li", {},
      element("span", { class: `live-key live-key-${i % COLOURS}${one.dashed ? " live-dashed" : ""}` }), one.name,
      element("b", {}, String(format(one.points.at(-1)[1]))))));
    return element("div", { class: "live-chart" },
      element("p", { class: "live-caption" }, `${y}, 가로는 ${x}`),
      element("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": text }, ...grid.flat(), ...lines), legend);
  };

  /* Run only the newest of many calls: a slider moves faster than a network runs. */
  live.latest = (work) => {
    let next = null, busy = false;
    return async (...args) => {
      next = args;
      if (busy) return;
      busy = true;
      try {
        while (next) {
          const now = next;
          next = null;
          await work(...now);
        }
      } finally {
        busy = false;
      }
    };
  };

  /* Photographs of the book, or the reader's own: chosen, dropped on the explorer, pasted into it. */
  live.picker = (root, change, failed, first = "astronaut") => {
    const names = [["astronaut", "우주인"], ["rocket", "로켓"], ["chelsea", "고양이"]];
    const file = element("input", { type: "file", accept: "image/*", class: "live-file", tabindex: "-1",
      "aria-label": "내 사진 고르기" });
    const mine = (source) => pixels(source).then((photo) => {
      own.setAttribute("aria-pressed", "true");
      group.querySelectorAll("button").forEach((b) => b !== own && b.setAttribute("aria-pressed", "false"));
      return change({ title: "내 사진", ...photo });
    }).catch(() => failed("이 파일은 사진으로 읽을 수 없다. JPEG나 PNG로 바꿔 보자."));
    const own = element("button", { type: "button", "aria-pressed": "false", onclick: () => file.click() }, "내 사진…");
    const group = element("div", { class: "live-choice", role: "group", "aria-label": "사진" });
    for (const [name, title] of names)
      group.append(element("button", { type: "button", value: name, "aria-pressed": String(name === first),
        onclick: async (event) => {
          group.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", String(b === event.currentTarget)));
          change(await live.photograph(name));
        } }, title));
    group.append(own, file);
    file.addEventListener("change", () => file.files[0] && mine(file.files[0]));
    root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("live-drop"); });
    root.addEventListener("dragleave", () => root.classList.remove("live-drop"));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      root.classList.remove("live-drop");
      if (event.dataTransfer.files[0]) mine(event.dataTransfer.files[0]);
    });
    root.addEventListener("paste", (event) => {
      const found = [...event.clipboardData.files].find((f) => f.type.startsWith("image/"));
      if (found) mine(found);
    });
    return element("div", { class: "live-control" }, element("span", { class: "live-name" }, "사진"), group);
  };

  /* ---- Explorers ---- */

  /* An explorer is a function of its page: it fills `body` and may keep the reader waiting with `page.work`. */
  function mount(root) {
    const { explorer: name } = root.dataset, body = root.querySelector(".explorer-body");
    const says = element("p", { class: "explorer-says", "aria-live": "polite" });
    const set = (state) => (root.dataset.state = state);
    const page = {
      root, body, options: root.dataset,
      say: (text) => (says.textContent = text),
      fail: (error) => { set("error"); says.textContent = error.message || String(error); },
      /* Work that takes a while: "running" until it is done. */
      work: async (task) => {
        if (root.dataset.state !== "loading") set("running");
        try {
          const value = await task();
          set("ready");
          return value;
        } catch (error) {
          page.fail(error);
          return null;
        }
      },
      /* A button that loads networks, `names`, and then shows the explorer: nothing heavy before the reader asks. */
      onDemand: (names, sentence, show, first = "astronaut") => {
        const button = element("button", { type: "button", class: "live-start" }, "실행하기");
        const size = names.reduce((sum, n) => sum + +(root.dataset[`bytes${n.replace(/\W/g, "")}`] || 0), 0);
        const note = element("span", {}, size ? `가중치 ${(size / 1e6).toFixed(1)} MB를 한 번 읽는다` : "");
        button.addEventListener("click", async () => {
          set("loading");
          button.disabled = true;
          button.textContent = "읽는 중…";
          try {
            const [photo, ...networks] = await Promise.all([live.photograph(first), ...names.map(live.network)]);
            body.replaceChildren();
            await show(photo, ...networks);
            set("ready");
            body.querySelector("button, input, select, canvas")?.focus({ preventScroll: true });
          } catch (error) {
            button.disabled = false;
            button.textContent = "다시 실행하기";
            page.fail(error);
          }
        });
        const poster = element("img", { src: `${base}posters/${name}.jpg`, alt: "실행하면 처음 보이는 그림", loading: "lazy" });
        body.replaceChildren(element("div", { class: "live-poster" }, poster,
          element("div", {}, element("p", {}, sentence), button, note)));
      },
    };
    root.append(says);
    try {
      if (live.explorers[name](page) !== "idle") set("ready");
    } catch (error) {
      page.fail(error);
    }
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".explorer[data-explorer]").forEach(mount));
})();
