/* The engine: runs the book's trained networks. Everything lives in one function, so that a Worker can be made of its
   text and works from file:// as well. Maps are laid out pixel by pixel, channels innermost (H, W, C). */
function liveEngine(kernel) {
  "use strict";
  const memory = new WebAssembly.Memory({ initial: 256 }); // 16 MiB, grows
  let heap = new Float32Array(memory.buffer);
  let words = new Int32Array(memory.buffer);
  let floor = 16; // below lie the weights of the networks, above the maps of the run at hand
  let top = floor;
  let wide = new Float64Array(0); // plain JavaScript: the padded input, in its own arithmetic

  /* Place for `count` values, 16-byte aligned; a float index. */
  function allot(count) {
    const start = top;
    top += (count + 3) & ~3;
    const missing = top * 4 - memory.buffer.byteLength;
    if (missing > 0) {
      memory.grow(Math.ceil(Math.max(missing, memory.buffer.byteLength / 2) / 65536));
      heap = new Float32Array(memory.buffer);
      words = new Int32Array(memory.buffer);
    }
    return start;
  }
  const tensor = (h, w, c) => ({ at: allot(h * w * c), h, w, c });
  const values = (x) => heap.subarray(x.at, x.at + x.h * x.w * x.c);
  function put(data, h, w, c) {
    const x = tensor(h, w, c);
    values(x).set(data);
    return x;
  }

  const simd = (() => {
    if (!kernel) return null;
    try {
      const bytes = Uint8Array.from(atob(kernel), (c) => c.charCodeAt(0));
      return new WebAssembly.Instance(new WebAssembly.Module(bytes), { live: { memory } }).exports.convolve;
    } catch {
      return null; // a browser without SIMD
    }
  })();

  /* The same sums in plain JavaScript: two pixels by four channels at a time, on 64-bit copies. */
  function convolve(x, weights, bias, y, places, pixels, taps, tapCount, length, blocks, pitch, relu) {
    const size = tapCount * length * 8;
    for (let half = 0; half < blocks * 2; half++) {
      const first = (half >> 1) * size + (half & 1) * 4;
      const b = bias + half * 4;
      for (let t = 0; t < pixels; t += 2) {
        const u = Math.min(t + 1, pixels - 1);
        const p = words[places + t] >> 2, q = words[places + u] >> 2;
        let a0 = heap[b], a1 = heap[b + 1], a2 = heap[b + 2], a3 = heap[b + 3];
        let c0 = a0, c1 = a1, c2 = a2, c3 = a3;
        let k = first;
        for (let tap = 0; tap < tapCount; tap++) {
          const offset = words[taps + tap] >> 2;
          let i = p + offset, j = q + offset;
          for (const end = i + length; i < end; i++, j++, k += 8) {
            const w0 = weights[k], w1 = weights[k + 1], w2 = weights[k + 2], w3 = weights[k + 3];
            const v = x[i], z = x[j];
            a0 += v * w0; a1 += v * w1; a2 += v * w2; a3 += v * w3;
            c0 += z * w0; c1 += z * w1; c2 += z * w2; c3 += z * w3;
          }
        }
        const o = y + t * pitch + half * 4, r = y + u * pitch + half * 4;
        const least = relu ? 0 : -Infinity;
        heap[o] = a0 > least ? a0 : least; heap[o + 1] = a1 > least ? a1 : least;
        heap[o + 2] = a2 > least ? a2 : least; heap[o + 3] = a3 > least ? a3 : least;
        heap[r] = c0 > least ? c0 : least; heap[r + 1] = c1 > least ? c1 : least;
        heap[r + 2] = c2 > least ? c2 : least; heap[r + 3] = c3 > least ? c3 : least;
      }
    }
  }

  /* Weights by `pick(output, tap, input)` in blocks of eight outputs, [group][block][tap][input][8]; bias beside them. */
  function pack(shape, pick, bias) {
    const outputs = shape.outputs / shape.groups, inputs = shape.inputs / shape.groups;
    const blocks = Math.ceil(outputs / 8), taps = shape.kernel ** 2, size = blocks * taps * inputs * 8;
    const biases = allot(shape.groups * blocks * 8);
    const at = simd ? allot(shape.groups * size) : 0;
    const into = simd ? heap : new Float64Array(shape.groups * size);
    for (let g = 0; g < shape.groups; g++) {
      for (let o = 0; o < outputs; o++) {
        const start = at + g * size + (o >> 3) * taps * inputs * 8 + (o & 7);
        for (let t = 0, k = start; t < taps; t++)
          for (let i = 0; i < inputs; i++, k += 8) into[k] = pick(g * outputs + o, t, i);
        if (bias) heap[biases + g * blocks * 8 + o] = bias[g * outputs + o];
      }
    }
    return { ...shape, at, biases, blocks, size, wide: simd ? null : into };
  }

  /* x in a frame of zeros, its pixels `spread` apart. */
  function pad(x, before, after, spread) {
    if (!before && !after && spread === 1) return x;
    const h = (x.h - 1) * spread + 1 + before + after, w = (x.w - 1) * spread + 1 + before + after;
    const y = tensor(h, w, x.c);
    values(y).fill(0);
    for (let i = 0; i < x.h; i++) {
      const to = y.at + ((before + i * spread) * w + before) * x.c, from = x.at + i * x.w * x.c;
      if (spread === 1) heap.copyWithin(to, from, from + x.w * x.c);
      else for (let j = 0; j < x.w; j++) heap.copyWithin(to + j * spread * x.c, from + j * x.c, from + (j + 1) * x.c);
    }
    return y;
  }

  /* Windows of `packed.kernel` over x, which is padded already. */
  function slide(x, packed, stride, relu) {
    const { kernel: k, groups, outputs } = packed;
    const h = Math.floor((x.h - k) / stride) + 1, w = Math.floor((x.w - k) / stride) + 1;
    const y = tensor(h, w, outputs), each = outputs / groups, inputs = x.c / groups;
    const places = allot(h * w), runs = groups === 1 ? k : k * k, taps = allot(runs);
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++) words[places + i * w + j] = (i * stride * x.w + j * stride) * x.c * 4;
    for (let t = 0; t < runs; t++)
      words[taps + t] = (groups === 1 ? t * x.w : Math.floor(t / k) * x.w + (t % k)) * x.c * 4;
    const length = groups === 1 ? k * x.c : inputs;
    let source = null;
    if (!simd) {
      const count = x.h * x.w * x.c;
      if (wide.length < count) wide = new Float64Array(count);
      wide.set(values(x));
      source = wide;
    }
    for (let g = 0; g < groups; g++) {
      const whole = each % 8 === 0, pitch = whole ? outputs : packed.blocks * 8;
      const out = whole ? y.at + g * each : allot(h * w * pitch);
      const bias = packed.biases + g * packed.blocks * 8;
      if (simd)
        simd((x.at + g * inputs) * 4, (packed.at + g * packed.size) * 4, bias * 4, out * 4, places * 4, h * w,
          taps * 4, runs, length, packed.blocks, pitch * 4, relu ? 1 : 0);
      else
        convolve(g ? source.subarray(g * inputs) : source, packed.wide.subarray(g * packed.size), bias, out, places,
          h * w, taps, runs, length, packed.blocks, pitch, relu);
      if (!whole)
        for (let i = 0; i < h * w; i++)
          heap.copyWithin(y.at + i * outputs + g * each, out + i * pitch, out + i * pitch + each);
    }
    return y;
  }

  /* Largest value of each window; with `switches`, also its place in the plane (row * width + column). */
  function maxPool(x, { kernel: k, stride, padding: p = 0, ceil = false }, switches) {
    const side = (n) => {
      const free = n + 2 * p - k;
      const count = (ceil ? Math.ceil(free / stride) : Math.floor(free / stride)) + 1;
      return ceil && (count - 1) * stride >= n + p ? count - 1 : count; // no window begins in the padding behind
    };
    const y = tensor(side(x.h), side(x.w), x.c), c = x.c;
    if (switches) switches.places = new Int32Array(y.h * y.w * c);
    for (let i = 0, o = y.at, s = 0; i < y.h; i++) {
      const r0 = Math.max(i * stride - p, 0), r1 = Math.min(i * stride - p + k, x.h);
      for (let j = 0; j < y.w; j++, o += c, s += c) {
        const c0 = Math.max(j * stride - p, 0), c1 = Math.min(j * stride - p + k, x.w);
        for (let m = 0; m < c; m++) heap[o + m] = -Infinity;
        for (let r = r0; r < r1; r++)
          for (let q = c0; q < c1; q++) {
            const from = x.at + (r * x.w + q) * c;
            if (switches) {
              for (let m = 0; m < c; m++)
                if (heap[from + m] > heap[o + m]) {
                  heap[o + m] = heap[from + m];
                  switches.places[s + m] = r * x.w + q;
                }
            } else for (let m = 0; m < c; m++) if (heap[from + m] > heap[o + m]) heap[o + m] = heap[from + m];
          }
      }
    }
    return y;
  }

  function averagePool(x, k, stride) {
    const y = tensor(Math.floor((x.h - k) / stride) + 1, Math.floor((x.w - k) / stride) + 1, x.c);
    for (let i = 0, o = y.at; i < y.h; i++)
      for (let j = 0; j < y.w; j++, o += x.c)
        for (let m = 0; m < x.c; m++) {
          let sum = 0;
          for (let t = 0; t < k * k; t++)
            sum += heap[x.at + ((i * stride + Math.floor(t / k)) * x.w + j * stride + (t % k)) * x.c + m];
          heap[o + m] = sum / (k * k);
        }
    return y;
  }

  /* Local response normalisation over `size` neighbouring maps (AlexNet, section 3.3); alpha is divided by size. */
  function responseNorm(x, { size, alpha, k }) {
    const y = tensor(x.h, x.w, x.c), half = size >> 1, squares = new Float64Array(x.c);
    for (let i = x.at, o = y.at, end = x.at + x.h * x.w * x.c; i < end; i += x.c, o += x.c) {
      for (let m = 0; m < x.c; m++) squares[m] = heap[i + m] ** 2;
      for (let m = 0; m < x.c; m++) {
        let sum = 0;
        for (let n = Math.max(m - half, 0); n <= Math.min(m + half, x.c - 1); n++) sum += squares[n];
        const base = Math.sqrt(k + (alpha / size) * sum);
        heap[o + m] = heap[i + m] / (base * Math.sqrt(base)); // to the power of 3/4
      }
    }
    return y;
  }

  /* Element by element: `f(value, channel, index)`. */
  function each(x, f) {
    const y = tensor(x.h, x.w, x.c);
    for (let i = 0, n = x.h * x.w * x.c; i < n; i += x.c)
      for (let m = 0; m < x.c; m++) heap[y.at + i + m] = f(heap[x.at + i + m], m, i + m);
    return y;
  }

  function concatenate(parts) {
    const y = tensor(parts[0].h, parts[0].w, parts.reduce((sum, part) => sum + part.c, 0));
    let start = y.at;
    for (const part of parts) {
      for (let i = 0; i < y.h * y.w; i++)
        heap.copyWithin(start + i * y.c, part.at + i * part.c, part.at + (i + 1) * part.c);
      start += part.c;
    }
    return y;
  }

  /* ResNet's option A: every stride-th pixel, zeros for the channels that are new. */
  function padChannels(x, { stride, before, after }) {
    const y = tensor(Math.ceil(x.h / stride), Math.ceil(x.w / stride), before + x.c + after);
    values(y).fill(0);
    for (let i = 0; i < y.h; i++)
      for (let j = 0; j < y.w; j++) {
        const from = x.at + (i * x.w + j) * stride * x.c;
        heap.copyWithin(y.at + (i * y.w + j) * y.c + before, from, from + x.c);
      }
    return y;
  }

  function globalAverage(x) {
    const y = tensor(1, 1, x.c);
    values(y).fill(0);
    for (let i = 0; i < x.h * x.w; i++) for (let m = 0; m < x.c; m++) heap[y.at + m] += heap[x.at + i * x.c + m];
    for (let m = 0; m < x.c; m++) heap[y.at + m] /= x.h * x.w;
    return y;
  }

  /* Probabilities of one pixel's scores. */
  function softmax(scores) {
    const most = Math.max(...scores);
    const powers = Array.from(scores, (s) => Math.exp(s - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((p) => p / sum);
  }

  const networks = {};

  /* Half-precision numbers in base64, little end first. */
  function halves(text) {
    const raw = atob(text), found = new Float32Array(raw.length / 2);
    for (let i = 0; i < found.length; i++) {
      const bits = raw.charCodeAt(2 * i) | (raw.charCodeAt(2 * i + 1) << 8);
      const exponent = (bits >> 10) & 31, fraction = bits & 1023;
      const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24;
      found[i] = bits & 0x8000 ? -size : size;
    }
    return found;
  }

  /* Make a network of its list of layers and its numbers, which stand in the order of the layers. */
  function load(name, description) {
    if (networks[name]) return;
    const all = halves(description.weights);
    const singles = new Float32Array(Uint8Array.from(atob(description.channels), (c) => c.charCodeAt(0)).buffer);
    let read = 0, readSingles = 0;
    const take = (count) => all.subarray(read, (read += count));
    const takeSingles = (count) => singles.subarray(readSingles, (readSingles += count));
    top = floor;
    const layers = description.layers.map((layer, i) => {
      const from = layer.from || [i];
      if (layer.op === "conv") {
        const { kernel: k, groups, inputs, outputs } = layer, taps = k * k, fan = (inputs / groups) * taps;
        const weight = take(outputs * fan);
        const factor = layer.folded ? takeSingles(outputs) : null, bias = takeSingles(outputs);
        if (factor) for (let j = 0; j < weight.length; j++) weight[j] *= factor[Math.floor(j / fan)];
        const packed = pack({ kernel: k, groups, inputs, outputs }, (o, t, c) => weight[o * fan + c * taps + t], bias);
        return { ...layer, from, weight, packed };
      }
      if (layer.op === "scale")
        return { ...layer, from, factor: takeSingles(layer.inputs), shift: takeSingles(layer.inputs) };
      return { ...layer, from };
    });
    if (read !== all.length) throw new Error(`${name}: ${all.length} weights, the layers take ${read}`);
    const readers = new Array(layers.length + 1).fill(0);
    layers.forEach((layer) => layer.from.forEach((f) => readers[f]++));
    layers.forEach((layer, i) => {
      const next = layers[i + 1];
      layer.fused = layer.op === "conv" && next?.op === "relu" && next.from[0] === i + 1 && readers[i + 1] === 1;
    });
    floor = top;
    networks[name] = { ...description, weights: null, channels: null, layers };
  }

  function apply(layer, inputs, switches) {
    const [x] = inputs;
    switch (layer.op) {
      case "conv": return slide(pad(x, layer.padding, layer.padding, 1), layer.packed, layer.stride, layer.fused);
      case "relu": return each(x, (v) => (v > 0 ? v : 0));
      case "scale": {
        const { factor, shift } = layer;
        return each(x, layer.relu ? (v, m) => Math.max(v * factor[m] + shift[m], 0) : (v, m) => v * factor[m] + shift[m]);
      }
      case "maxpool": return maxPool(x, layer, switches);
      case "avgpool": return averagePool(x, layer.kernel, layer.stride);
      case "norm": return responseNorm(x, layer);
      case "add": return each(x, layer.relu
        ? (v, _, i) => Math.max(v + heap[inputs[1].at + i], 0) : (v, _, i) => v + heap[inputs[1].at + i]);
      case "concat": return concatenate(inputs);
      case "pad": return padChannels(x, layer);
      case "average": return globalAverage(x);
      default: throw new Error(`unknown layer ${layer.op}`);
    }
  }

  /* All maps of `net` for x, up to layer `end`: maps[0] is x, maps[i] what layer i - 1 makes of it. */
  function run(net, x, { end = net.layers.length, switches = null } = {}) {
    const maps = [x];
    for (let i = 0; i < end; i++) {
      const layer = net.layers[i];
      if (layer.op === "relu" && net.layers[i - 1]?.fused) maps.push(maps[i]);
      else {
        const kept = switches && layer.op === "maxpool" ? (switches[i] = {}) : null;
        maps.push(apply(layer, layer.from.map((f) => maps[f]), kept));
      }
    }
    return maps;
  }

  /* Back through a convolution with its filters flipped, no bias, to maps of h x w (ZFNet, section 2.1). */
  function transpose(signal, layer, h, w) {
    const { kernel: k, groups, inputs, outputs, stride, padding, weight } = layer, taps = k * k;
    const fan = inputs / groups, each = outputs / groups;
    if (!layer.back) {
      const kept = top; // packed once, kept below the maps
      const pick = (i, t, o) => weight[((Math.floor(i / fan) * each + o) * fan + (i % fan)) * taps + taps - 1 - t];
      const shape = { kernel: k, groups, inputs: outputs, outputs: inputs };
      const copy = values(signal).slice();
      top = floor;
      layer.back = pack(shape, pick, null);
      for (let i = 0; i < groups * layer.back.blocks * 8; i++) heap[layer.back.biases + i] = 0;
      floor = top;
      top = Math.max(kept, floor);
      signal = put(copy, signal.h, signal.w, signal.c);
    }
    const framed = pad(signal, k - 1 - padding, k - 1 - padding + stride, stride);
    const full = slide(framed, layer.back, 1, false);
    const y = tensor(h, w, inputs); // lines at the far end that no window reached are zero or cut
    for (let i = 0; i < h; i++) {
      const from = full.at + i * full.w * inputs;
      heap.copyWithin(y.at + i * w * inputs, from, from + w * inputs);
    }
    return y;
  }

  /* `signal` at the places of the maxima; where windows share a place they add, or with `overwrite` the last one stays. */
  function unpool(signal, places, h, w, overwrite) {
    const y = tensor(h, w, signal.c), c = signal.c;
    values(y).fill(0);
    for (let i = 0, n = signal.h * signal.w * c; i < n; i++) {
      const to = y.at + places[i] * c + (i % c);
      heap[to] = overwrite ? heap[signal.at + i] : heap[to] + heap[signal.at + i];
    }
    return y;
  }

  /* PIL's and torchvision's antialiased bilinear resize of 8-bit RGB, with their rounding. */
  function resize(image, side) {
    const { width, height } = image;
    const long = Math.floor((side * Math.max(width, height)) / Math.min(width, height));
    const [w, h] = width <= height ? [side, long] : [long, side];
    const across = w === width ? image.data : stretch(image.data, height, width, w, 3, width * 3, 3);
    const down = h === height ? across : stretch(across, w, height, h, w * 3, 3, w * 3);
    return { width: w, height: h, data: down };
  }

  /* One direction: `lines` lines of `from` pixels to `to`; a pixel `step` apart, a line `gap` apart. */
  function stretch(data, lines, from, to, step, gap, outStep) {
    const horizontal = step === 3, outGap = horizontal ? to * 3 : 3;
    const found = new Uint8Array(lines * to * 3), scale = from / to, support = Math.max(scale, 1);
    const windows = [];
    let most = 0;
    for (let i = 0; i < to; i++) {
      const center = scale * (i + 0.5);
      const first = Math.max(Math.floor(center - support + 0.5), 0);
      const end = Math.min(Math.floor(center + support + 0.5), from);
      const weights = [];
      for (let j = first; j < end; j++) weights.push(Math.max(0, 1 - Math.abs((j - center + 0.5) / support)));
      const sum = weights.reduce((a, b) => a + b, 0);
      windows.push([first, weights.map((v) => v / sum)]);
      most = Math.max(most, ...windows[i][1]);
    }
    let precision = 0;
    while (precision < 22 && Math.floor(0.5 + most * 2 ** (precision + 1)) < 2 ** 15) precision++;
    const unit = 2 ** precision;
    windows.forEach(([first, weights], i) => {
      const whole = weights.map((v) => Math.floor(v * unit + 0.5));
      for (let line = 0; line < lines; line++)
        for (let c = 0; c < 3; c++) {
          let sum = unit / 2;
          for (let j = 0; j < whole.length; j++) sum += data[line * gap + (first + j) * step + c] * whole[j];
          found[line * outGap + i * outStep + c] = Math.min(255, Math.max(0, Math.floor(sum / unit)));
        }
    });
    return found;
  }

  /* n / 2, a half to the even number as Python rounds. */
  const half = (n) => (n % 2 ? ((n >> 1) + 1) & ~1 : n / 2);

  /* The central square, or the one at (x, y). */
  function crop(image, side, x = half(image.width - side), y = half(image.height - side)) {
    const data = new Uint8Array(side * side * 3);
    for (let i = 0; i < side; i++) {
      const from = ((y + i) * image.width + x) * 3;
      data.set(image.data.subarray(from, from + side * 3), i * side * 3);
    }
    return { width: side, height: side, data };
  }

  function mirror(image) {
    const { width, height } = image, data = new Uint8Array(image.data.length);
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++)
        for (let c = 0; c < 3; c++) data[(i * width + j) * 3 + c] = image.data[(i * width + width - 1 - j) * 3 + c];
    return { width, height, data };
  }

  /* Begin a run: the 8-bit image as the network takes it. */
  function view(net, image) {
    top = floor;
    const { mean, std } = net, x = tensor(image.height, image.width, 3), to = values(x);
    for (let i = 0; i < to.length; i++) to[i] = (image.data[i] - mean[i % 3]) / std[i % 3];
    return x;
  }

  const last = (maps) => maps[maps.length - 1];
  const copy = (x) => ({ h: x.h, w: x.w, c: x.c, data: values(x).slice() });

  /* Scores of one image (h, w, classes): one cell for a crop, a map where the network can be slid over more. */
  const score = (net, image) => copy(last(run(net, view(net, image))));

  function spatialMean(map) {
    const mean = new Float64Array(map.c);
    map.data.forEach((v, i) => (mean[i % map.c] += v / (map.h * map.w)));
    return mean;
  }

  /* Dense evaluation (VGG, section 3.2): rescale to each side, average the scores over space, softmax, average. */
  function dense(name, image, sides, mirrored) {
    const net = networks[name], found = [], posterior = new Float64Array(net.classes.length);
    for (const side of sides) {
      const small = resize(image, side), timed = (picture) => {
        const start = performance.now(), map = score(net, picture);
        milliseconds = Math.min(milliseconds, performance.now() - start);
        return map;
      };
      let milliseconds = Infinity;
      const map = timed(small), views = mirrored ? [map, timed(mirror(small))] : [map];
      for (const one of views)
        softmax(spatialMean(one)).forEach((p, i) => (posterior[i] += p / (views.length * sides.length)));
      found.push({ side, map, image: small, milliseconds });
    }
    return { scales: found, posterior };
  }

  /* The image as the network was tested on it: rescaled, the central square. */
  const tested = (net, image) => crop(resize(image, net.rescale), net.side);

  /* Maps of every layer of the tested view, as 8-bit pictures (each map by its own range) with their ranges. */
  function features(name, image) {
    const net = networks[name], square = tested(net, image), maps = run(net, view(net, square));
    const layers = net.layers.map((layer, i) => ({ ...copy(maps[i + 1]), name: layer.name, op: layer.op }));
    return { image: square, layers, posterior: softmax(layers[layers.length - 1].data) };
  }

  /* Up to `layer` and back down to pixels: each step's signal, with the switches of this image or of `other`. */
  function project(name, image, layer, channel, { unit = null, overwrite = false, other = null } = {}) {
    const net = networks[name], end = net.layers.findIndex((l) => l.name === layer) + 1;
    const square = tested(net, image);
    let switches = {};
    const maps = run(net, view(net, square), { end, switches }).map(copy);
    if (other) {
      switches = {};
      run(net, view(net, tested(net, other)), { end, switches });
    }
    const peak = maps[end], data = new Float32Array(peak.data.length);
    let place = unit ? unit[0] * peak.w + unit[1] : 0;
    if (!unit)
      for (let i = 0; i < peak.h * peak.w; i++)
        if (peak.data[i * peak.c + channel] > peak.data[place * peak.c + channel]) place = i;
    data[place * peak.c + channel] = peak.data[place * peak.c + channel];
    top = floor;
    let signal = put(data, peak.h, peak.w, peak.c);
    const steps = [{ name: layer, op: "unit", ...copy(signal) }];
    for (let i = end - 1; i >= 0; i--) {
      const l = net.layers[i], below = maps[i];
      if (l.op === "maxpool") signal = unpool(signal, switches[i].places, below.h, below.w, overwrite);
      else if (l.op === "relu") signal = each(signal, (v) => (v > 0 ? v : 0));
      else if (l.op === "conv") signal = transpose(signal, l, below.h, below.w);
      else continue; // response normalisation is left out on the way down
      steps.push({ name: l.name, op: l.op, ...copy(signal) });
    }
    const row = Math.floor(place / peak.w), column = place % peak.w;
    return { image: square, value: data[place * peak.c + channel], row, column, h: peak.h, w: peak.w, steps,
      box: field(net, end, row, column), pixels: { h: square.height, w: square.width, c: 3, data: steps.at(-1).data } };
  }

  /* Pixels that a unit sees: top, left, bottom, right, clipped. Only along a chain of layers. */
  function field(net, end, row, column) {
    let size = 1, jump = 1, start = 0;
    for (const layer of net.layers.slice(0, end)) {
      if (!layer.kernel) continue;
      start -= (layer.padding || 0) * jump;
      size += (layer.kernel - 1) * jump;
      jump *= layer.stride;
    }
    const edge = (n) => [Math.max(start + n * jump, 0), Math.min(start + n * jump + size, net.side)];
    const [[y0, y1], [x0, x1]] = [edge(row), edge(column)];
    return [y0, x0, y1, x1];
  }

  /* Probabilities of the classes with a square of the mean colour laid over the view at (y, x); null leaves it whole. */
  function occlude(name, square, size, y, x) {
    const net = networks[name], input = view(net, square);
    if (size)
      for (let i = Math.max(y, 0); i < Math.min(y + size, input.h); i++)
        heap.fill(0, input.at + (i * input.w + Math.max(x, 0)) * 3, input.at + (i * input.w + Math.min(x + size, input.w)) * 3);
    return softmax(values(last(run(net, input))));
  }

  /* The map of Figure 7: the probability of `label` with the square at every place, `stride` px apart. */
  function occlusionMap(name, square, label, size, stride) {
    const count = Math.floor((networks[name].side - size) / stride) + 1, map = new Float32Array(count * count);
    for (let i = 0; i < count; i++)
      for (let j = 0; j < count; j++) map[i * count + j] = occlude(name, square, size, i * stride, j * stride)[label];
    return { count, map };
  }

  return {
    simd: !!simd, load, dense, features, project, occlude, occlusionMap, resize, crop,
    tested: (name, image) => tested(networks[name], image),
    score: (name, image) => score(networks[name], image),
    posterior: (name, image) => softmax(score(networks[name], tested(networks[name], image)).data),
    field: (name, layer, row, column) => {
      const net = networks[name];
      return field(net, net.layers.findIndex((l) => l.name === layer) + 1, row, column);
    },
  };
}

/* In the Worker: each message names a function of the engine, its arguments and a number to answer with. */
function liveWorker(engine) {
  self.onmessage = ({ data: { id, call, args } }) => {
    try {
      self.postMessage({ id, value: engine[call](...args) });
    } catch (error) {
      self.postMessage({ id, error: String(error?.message || error) });
    }
  };
  self.postMessage({ ready: true, simd: engine.simd });
}
