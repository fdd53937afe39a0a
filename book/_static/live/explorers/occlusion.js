/* A grey square over the photograph, and what it does to the probability (ZFNet, section 4.2, Figure 7). */
live.explorers.occlusion = (page) => {
  "use strict";
  const { element: el } = live, state = { size: 32, x: 32, y: 32, label: 0, map: null };
  const NAMES = [["zfnet-caltech", "ZFNet"], ["alexnet-caltech", "AlexNet"], ["vgg-caltech", "VGG"]];
  let name = page.options.start || "zfnet-caltech", net, photo, square, whole, now;

  const view = live.canvas("사진과 가리는 정사각형", (pen, width) => {
    if (!square) return;
    const s = width / square.width, { mean } = net;
    pen.drawImage(live.bitmap(square), 0, 0, width, width);
    if (state.map) {
      const { map, count, stride, size } = state.map, heat = live.mapBitmap({ h: count, w: count, c: 1, data: map }, 0);
      pen.globalAlpha = 0.7;
      pen.drawImage(heat, (size - stride) / 2 * s, (size - stride) / 2 * s, count * stride * s, count * stride * s);
      pen.globalAlpha = 1;
    }
    pen.fillStyle = `rgb(${mean.join(",")})`;
    if (!state.map) pen.fillRect(state.x * s, state.y * s, state.size * s, state.size * s);
    live.stroke(pen, "#fff", state.x * s, state.y * s, state.size * s, state.size * s, 1.5);
  }, { most: 420 });

  const run = live.latest(async () => {
    const start = performance.now();
    now = await live.call("occlude", name, square, state.size, state.y, state.x);
    rate = rate ? 0.8 * rate + 200 / (performance.now() - start) : 1000 / (performance.now() - start);
    show();
  });
  let rate = 0;

  function show() {
    const title = live.className(net.classes[state.label]);
    view.draw();
    facts.replaceChildren(live.facts([[`${title} (그대로)`, live.percent(whole[state.label])],
      [`${title} (가림)`, live.percent(now[state.label])], ["1초에", `${rate.toFixed(0)}번`, "다시 계산"]]));
    bars.replaceChildren(live.bars(live.best(now, net.classes)));
    page.say(`정사각형 (${state.x}, ${state.y}) px: ${title} ${live.percent(now[state.label])}, `
      + `가장 높은 것은 ${live.best(now, net.classes, 1)[0][0]}.`);
    page.now = now;
  }

  const place = (x, y) => {
    const most = net.side - state.size;
    state.x = Math.round(Math.min(Math.max(x, 0), most));
    state.y = Math.round(Math.min(Math.max(y, 0), most));
    if (state.map) { state.map = null; }
    return run();
  };

  const wholeMap = () => page.work(async () => {
    const stride = Math.max(2, Math.round(net.side / 16)), size = state.size;
    page.say("모든 자리에서 다시 계산하는 중…");
    state.map = { ...(await live.call("occlusionMap", name, square, state.label, size, stride)), stride, size };
    view.draw();
    const low = Math.min(...state.map.map), at = state.map.map.indexOf(low);
    page.say(`${state.map.count ** 2}자리 가운데 ${live.className(net.classes[state.label])}의 확률이 가장 낮은 곳은 `
      + `(${(at % state.map.count) * stride}, ${Math.floor(at / state.map.count) * stride}) px, ${live.percent(low)}다. 어두울수록 낮다.`);
  });

  async function change() {
    net = await live.network(name);
    square = await live.call("tested", name, photo);
    whole = await live.call("posterior", name, photo);
    [[, , state.label]] = live.best(whole, net.classes, 1);
    state.map = null;
    state.size = size.set(Math.round(net.side / 3), Math.round(net.side / 1.5));
    rate = 0;
    await place((net.side - state.size) / 2, (net.side - state.size) / 2);
  }
  const facts = el("div"), bars = el("div");
  const size = live.slider("정사각형", { min: 8, max: 64, step: 4, value: 32, show: (v) => `${v} px` }, (v) => {
    state.size = v;
    place(state.x, state.y);
  });
  page.onDemand([name], "회색 정사각형을 끌어 사진의 한 곳을 가리면 확률이 어떻게 변하는지 그 자리에서 다시 계산한다.", async (first) => {
    photo = first;
    page.body.append(el("div", { class: "live-split" },
      el("div", { class: "live-picture live-drag" }, view.canvas,
        el("p", { class: "live-note" }, "정사각형을 끌거나 방향 키로 옮긴다. 네트워크가 아는 것은 Caltech-101의 101개 클래스뿐이라, 로켓은 돛단배(ketch)라고 답한다.")),
      el("div", {}, live.picker(page.root, (next) => { photo = next; return page.work(change); }, page.say, "rocket"),
        live.choice("네트워크", NAMES, name, (v) => { name = v; page.work(change); }), size, facts,
        live.button("전체 지도 그리기", wholeMap), el("p", { class: "live-caption" }, "가린 사진의 상위 5"), bars)));
    live.pointable(view.canvas, {
      point: (x, y) => place(x * net.side - state.size / 2, y * net.side - state.size / 2),
      move: (dx, dy) => place(state.x + 4 * dx, state.y + 4 * dy) });
    await change();
  }, "rocket");
  return "idle";
};
