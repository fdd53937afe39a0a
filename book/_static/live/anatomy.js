/* Layer tables without a network: the rows that paperlib.anatomy counts, from the papers' own tables. */
(() => {
  "use strict";
  /* Rows from the image on; each method returns what the next layer reads: {c, side, field, jump}. */
  class Table {
    constructor(side) {
      this.rows = [{ name: "input", kind: "input", c: 3, side, params: 0, macs: 0, field: 1, jump: 1 }];
    }
    put(name, kind, x, { c = x.c, k = 1, stride = 1, side = x.side, params = 0, macs = 0, field, flat = false }) {
      const seen = flat ? null : field === undefined && x.field != null ? x.field + (k - 1) * x.jump : field ?? null;
      const row = { name, kind, c, side, params, macs, field: seen, jump: seen == null ? null : x.jump * stride };
      this.rows.push(row);
      return row;
    }
    conv(name, x, c, k, { stride = 1, padding = 0, groups = 1, bias = true } = {}) {
      const side = Math.floor((x.side + 2 * padding - k) / stride) + 1, weights = (x.c / groups) * k * k * c;
      return this.put(name, "Conv2d", x, { c, k, stride, side, params: weights + (bias ? c : 0), macs: weights * side ** 2 });
    }
    norm(name, x) { return this.put(name, "BatchNorm2d", x, { params: 2 * x.c }); }
    same(name, kind, x) { return this.put(name, kind, x, {}); }
    pool(name, x, k, stride, { padding = 0, ceil = false, kind = "MaxPool2d" } = {}) {
      const side = (ceil ? Math.ceil : Math.floor)((x.side + 2 * padding - k) / stride) + 1;
      return this.put(name, kind, x, { k, stride, side });
    }
    linear(name, inputs, c) {
      return this.put(name, "Linear", { c, side: 1 }, { params: (inputs + 1) * c, macs: inputs * c, flat: true });
    }
    flat(name, kind, x) { return this.put(name, kind, x, { flat: true }); }
    get activations() { return sum(this.rows, (r) => r.c * r.side ** 2); }
    get params() { return sum(this.rows, (r) => r.params); }
    get macs() { return sum(this.rows, (r) => r.macs); }
    get field() { return Math.max(...this.rows.map((r) => r.field ?? 0)); }
  }
  const sum = (rows, f) => rows.reduce((total, row) => total + f(row), 0);

  function classifier(t, inputs, hidden, classes, names = ["6", "7"]) {
    for (const i of names) {
      const x = t.linear(`fc${i}`, inputs, hidden);
      t.flat(`relu${i}`, "ReLU", x);
      t.flat(`drop${i}`, "Dropout", x);
      inputs = hidden;
    }
    t.linear("fc8", inputs, classes);
    return t;
  }

  function alexnet({ side = 224, classes = 1000 } = {}) {
    const t = new Table(side), layers = [[96, 11, 4, 1, "np"], [256, 5, 1, 2, "np"], [384, 3, 1, 1, ""], [384, 3, 1, 2, ""],
      [256, 3, 1, 2, "p"]];
    let x = t.rows[0], padding = (side - 11) % 4 === 0 ? 0 : 2;
    layers.forEach(([c, k, stride, groups, then], i) => {
      x = t.same(`relu${i + 1}`, "ReLU", t.conv(`conv${i + 1}`, x, c, k, { stride, padding, groups }));
      if (then.includes("n")) x = t.same(`norm${i + 1}`, "LocalResponseNorm", x);
      if (then.includes("p")) x = t.pool(`pool${i + 1}`, x, 3, 2);
      padding = i ? 1 : 2;
    });
    return classifier(t, x.c * x.side ** 2, 4096, classes);
  }

  function zfnet({ maps = [96, 256, 384, 384, 256], side = 224, classes = 1000 } = {}) {
    const t = new Table(side), layers = [[7, 2, 1, "pn"], [5, 2, 0, "pn"], [3, 1, 1, ""], [3, 1, 1, ""], [3, 1, 1, "p"]];
    let x = t.rows[0];
    layers.forEach(([k, stride, padding, then], i) => {
      x = t.same(`relu${i + 1}`, "ReLU", t.conv(`conv${i + 1}`, x, maps[i], k, { stride, padding }));
      if (then.includes("p")) x = t.pool(`pool${i + 1}`, x, 3, 2, { ceil: true });
      if (then.includes("n")) x = t.same(`norm${i + 1}`, "LocalResponseNorm", x);
    });
    return classifier(t, x.c * x.side ** 2, 4096, classes);
  }

  const VGG = { // Table 1: kernel sizes of the five stages, n a response normalisation
    A: ["3", "3", "33", "33", "33"], "A-LRN": ["3n", "3", "33", "33", "33"], B: ["33", "33", "33", "33", "33"],
    "B (5×5)": ["5", "5", "5", "5", "5"], C: ["33", "33", "331", "331", "331"], D: ["33", "33", "333", "333", "333"],
    E: ["33", "33", "3333", "3333", "3333"] };
  function vgg({ column = "D", side = 224, classes = 1000 } = {}) {
    const t = new Table(side);
    let x = t.rows[0];
    VGG[column].forEach((symbols, s) => {
      [...symbols].forEach((symbol, i) => {
        if (symbol === "n") { x = t.same(`norm${s + 1}`, "LocalResponseNorm", x); return; }
        const k = +symbol, c = [64, 128, 256, 512, 512][s];
        x = t.conv(`conv${s + 1}_${i + 1}`, x, c, k, { padding: k >> 1 });
        x = t.same(`relu${s + 1}_${i + 1}`, "ReLU", x);
      });
      x = t.pool(`pool${s + 1}`, x, 2, 2);
    });
    return classifier(t, x.c * x.side ** 2, 4096, classes);
  }

  /* `large`: the form of Table 1 (7x7 stem, four stages), else that of Table 6. block: plain, basic or bottleneck. */
  function resnet({ large = true, block = "bottleneck", blocks = [3, 4, 6, 3], shortcut = large ? "B" : "A",
    strideOn = "1x1", classes = 1000 } = {}) {
    const t = new Table(large ? 224 : 32), channels = large ? [64, 128, 256, 512] : [16, 32, 64];
    const conv = (name, x, c, k, stride = 1) => t.norm(name.replace("conv", "bn"),
      t.conv(name, x, c, k, { stride, padding: k >> 1, bias: false }));
    let x = conv("conv1", t.rows[0], channels[0], large ? 7 : 3, large ? 2 : 1);
    x = t.same("relu1", "ReLU", x);
    if (large) x = t.pool("pool1", x, 3, 2, { padding: 1 });
    blocks.forEach((count, s) => {
      for (let i = 0; i < count; i++) {
        const maps = channels[s], stride = s && !i ? 2 : 1, at = `conv${s + 2}_${i + 1}`;
        const outputs = block === "bottleneck" ? 4 * maps : maps;
        const convs = block === "bottleneck"
          ? [[maps, 1, strideOn === "1x1" ? stride : 1], [maps, 3, strideOn === "1x1" ? 1 : stride], [outputs, 1, 1]]
          : [[maps, 3, stride], [maps, 3, 1]];
        let y = x, other = null;
        convs.forEach(([c, k, step], n) => {
          y = conv(`${at}.conv${n + 1}`, y, c, k, step);
          if (n < convs.length - 1) y = t.same(`${at}.relu${n + 1}`, "ReLU", y);
        });
        if (block !== "plain") {
          if (shortcut === "C" || (shortcut === "B" && x.c !== outputs)) other = conv(`${at}.shortcut.conv`, x, outputs, 1, stride);
          else if (x.c === outputs) other = t.same(`${at}.shortcut`, "Identity", x);
          else other = t.put(`${at}.shortcut`, "PadShortcut", x, { c: outputs, stride, side: Math.ceil(x.side / stride) });
        }
        const field = Math.max(y.field, other?.field ?? 0); // where tensors meet, the largest field counts
        x = t.put(`${at}.relu`, "ReLU", y, { field });
      }
    });
    t.put("avgpool", "AdaptiveAvgPool2d", x, { side: 1, field: null });
    t.linear("fc", x.c, classes);
    return t;
  }

  const DENSE = { 121: [6, 12, 24, 16], 161: [6, 12, 36, 24], 169: [6, 12, 32, 32], 201: [6, 12, 48, 32], 264: [6, 12, 64, 48] };
  function densenet({ large = false, depth = 100, growth = 12, bottleneck = true, compression = 0.5, classes = 1000 } = {}) {
    const t = new Table(large ? 224 : 32), layers = large ? DENSE[depth] : Array(3).fill((depth - 4) / (bottleneck ? 6 : 3));
    const conv = (name, x, c, k, more = {}) => t.conv(name, x, c, k, { padding: k >> 1, bias: false, ...more });
    const before = (name, x) => t.same(name.replace("norm", "relu"), "ReLU", t.norm(name, x));
    let x = conv("stem.conv", t.rows[0], large || (bottleneck && compression < 1) ? 2 * growth : 16, large ? 7 : 3,
      { stride: large ? 2 : 1 });
    if (large) x = t.pool("stem.pool", before("stem.norm", x), 3, 2, { padding: 1 });
    t.blocks = [];
    layers.forEach((count, b) => {
      if (b) {
        const at = `transition${b}`;
        x = conv(`${at}.conv`, before(`${at}.norm`, x), Math.floor(x.c * compression), 1);
        x = t.pool(`${at}.pool`, x, 2, 2, { kind: "AvgPool2d" });
      }
      const inputs = [x.c];
      for (let i = 1; i <= count; i++) {
        const at = `dense${b + 1}.layer${i}`;
        let y = before(`${at}.norm1`, x);
        if (bottleneck) y = before(`${at}.norm2`, conv(`${at}.conv1`, y, 4 * growth, 1));
        y = conv(`${at}.conv${bottleneck ? 2 : 1}`, y, growth, 3);
        x = { c: x.c + growth, side: x.side, field: Math.max(x.field, y.field), jump: x.jump };
        inputs.push(x.c);
      }
      t.blocks.push(inputs);
    });
    before("norm", x);
    t.put("avgpool", "AdaptiveAvgPool2d", x, { side: 1, field: null });
    t.linear("classifier", x.c, classes);
    return t;
  }

  live.anatomy = { alexnet, zfnet, vgg, resnet, densenet, VGG, DENSE };
})();
