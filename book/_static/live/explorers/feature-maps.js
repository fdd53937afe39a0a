/* All layers of a network on a photograph; a map enlarged, and what a unit of it sees. */
live.explorers["feature-maps"] = (page) => {
  "use strict";
  const { element: el } = live, state = { layer: null, channel: 0, unit: [0, 0] };
  const NAMES = [["zfnet-caltech", "ZFNet"], ["alexnet-caltech", "AlexNet"], ["vgg-caltech", "VGG"], ["densenet-fashion", "DenseNet"]];
  let name = page.options.start || "zfnet-caltech", net, photo, found, map;

  const view = live.canvas("사진과 수용 영역", (pen, width) => {
    if (!found) return;
    const s = width / found.image.width;
    pen.drawImage(live.bitmap(found.image), 0, 0, width, width);
    if (state.box) {
      const [y0, x0, y1, x1] = state.box;
      live.stroke(pen, "#ffd54a", x0 * s, y0 * s, (x1 - x0) * s, (y1 - y0) * s);
    }
  }, { most: 320 });
  const large = live.canvas("고른 맵", (pen, width) => {
    if (!map) return;
    const [row, column] = state.unit, s = width / map.w;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(live.mapBitmap(map, state.channel), 0, 0, width, width);
    live.stroke(pen, "#ffd54a", column * s, row * s, s, s, 1.5);
  }, { most: 320 });
  const sheet = live.canvas("이 계층의 모든 맵", (pen, width) => {
    if (!map) return;
    const across = columns(width), side = width / across;
    pen.imageSmoothingEnabled = false;
    for (let c = 0; c < map.c; c++)
      pen.drawImage(live.mapBitmap(map, c), (c % across) * side + 1, Math.floor(c / across) * side + 1, side - 2, side - 2);
    live.stroke(pen, "#ffd54a", (state.channel % across) * side, Math.floor(state.channel / across) * side, side, side, 2);
  }, { most: 1200 });
  const columns = (width) => Math.max(8, Math.min(Math.ceil(Math.sqrt(map.c * 2.5)), Math.floor(width / 26)));

  async function look() {
    const known = net.layers.every((l) => !l.from); // receptive fields are known along a chain
    state.box = known && map.h > 1 ? await live.call("field", name, state.layer, ...state.unit) : null;
    const value = map.data[(state.unit[0] * map.w + state.unit[1]) * map.c + state.channel];
    view.draw();
    large.draw();
    const box = state.box && `${state.box[3] - state.box[1]}×${state.box[2] - state.box[0]} px`;
    page.say(`${state.layer} 맵 ${state.channel}, ${state.unit[0] + 1}행 ${state.unit[1] + 1}열: ${value.toPrecision(3)}`
      + (box ? `. 이 값이 보는 픽셀은 노란 상자(${box})다.` : "."));
  }

  function show(strongest) {
    map = found.layers.find((l) => l.name === state.layer);
    if (strongest) {
      let best = 0;
      map.data.forEach((v, i) => { if (v > map.data[best]) best = i; });
      state.channel = best % map.c;
    }
    let place = 0;
    for (let i = 0; i < map.h * map.w; i++)
      if (map.data[i * map.c + state.channel] > map.data[place * map.c + state.channel]) place = i;
    state.unit = [Math.floor(place / map.w), place % map.w];
    channel.set(state.channel, map.c - 1);
    facts.replaceChildren(live.facts([["맵", map.c, "개"], ["크기", `${map.w}×${map.h}`],
      ["최고", live.best(found.posterior, net.classes, 1)[0][0], live.percent(Math.max(...found.posterior))]]));
    sheet.ratio = Math.ceil(map.c / columns(sheet.canvas.parentElement.clientWidth)) / columns(sheet.canvas.parentElement.clientWidth);
    sheet.draw();
    return look();
  }

  async function change() {
    net = await live.network(name);
    found = await live.call("features", name, photo);
    const layers = found.layers.filter((l) => l.h > 1 && (l.op !== "conv" || name === "densenet-fashion")).map((l) => l.name);
    if (!layers.includes(state.layer)) state.layer = layers[0];
    layer.set(state.layer, layers.map((l) => [l, l]));
    await show(true);
  }
  const facts = el("div");
  const layer = live.select("계층", [["", ""]], "", (v) => { state.layer = v; show(true); });
  const channel = live.slider("맵", { min: 0, max: 47, value: 0, show: (v) => `${v}번` }, (v) => { state.channel = v; show(); });
  const clamp = (v, most) => Math.min(Math.max(v, 0), most - 1);
  const pointAt = (row, column) => { state.unit = [clamp(row, map.h), clamp(column, map.w)]; look(); };

  page.onDemand([name], "사진이 네트워크를 지나며 계층마다 어떤 맵이 되는지 모두 펼쳐 본다.", async (first) => {
    photo = first;
    page.body.append(el("div", {},
      el("div", { class: "live-pair" }, el("div", {}, view.canvas, el("p", { class: "live-caption" }, "사진")),
        el("div", { class: "live-picture" }, large.canvas, el("p", { class: "live-caption" }, "고른 맵 (가리키면 그 값이 보는 곳)"))),
      el("div", { class: "live-controls" }, live.picker(page.root, (next) => { photo = next; return page.work(change); }, page.say),
        live.choice("네트워크", NAMES, name, (v) => { name = v; page.work(change); }), layer, channel, facts)),
    el("div", { class: "live-picture" }, sheet.canvas));
    live.pointable(large.canvas, { hover: true,
      point: (x, y) => pointAt(Math.floor(y * map.h), Math.floor(x * map.w)),
      move: (dx, dy) => pointAt(state.unit[0] + dy, state.unit[1] + dx) });
    live.pointable(sheet.canvas, {
      point: (x, y) => {
        const across = columns(sheet.canvas.clientWidth), rows = Math.ceil(map.c / across);
        state.channel = clamp(Math.floor(y * rows) * across + Math.floor(x * across), map.c);
        show();
      },
      move: (dx, dy) => { state.channel = clamp(state.channel + dx + dy * columns(sheet.canvas.clientWidth), map.c); show(); } });
    await change();
  });
  return "idle";
};
