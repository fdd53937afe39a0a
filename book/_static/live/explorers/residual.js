/* Signals and gradients through many layers, computed here; and the recorded curves of plain and residual networks. */
live.explorers.residual = (page) => {
  "use strict";
  const { element: el } = live, state = { depth: 40, scale: 1 }, WIDTH = 32;
  const RUNS = [["fashion-mnist-plain20", "plain-20"], ["fashion-mnist-plain56", "plain-56"],
    ["fashion-mnist-resnet20", "ResNet-20"], ["fashion-mnist-resnet56", "ResNet-56"]];

  /* Normal numbers from a fixed seed: the same picture for every reader. */
  function normals(seed) {
    let s = seed;
    const uniform = () => { s = (Math.imul(s, 1664525) + 1013904223) >>> 0; return (s + 0.5) / 2 ** 32; };
    return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  }

  /* x <- relu(W x), or relu(x + W2 relu(W1 x)), up; the gradient of the last values' sum of squares, down. */
  function simulate(residual) {
    const normal = normals(7), count = residual ? state.depth / 2 : state.depth, up = [], steps = [];
    const matrix = () => Float64Array.from({ length: WIDTH * WIDTH }, () => normal() * state.scale * Math.sqrt(2 / WIDTH));
    const apply = (m, x) => Float64Array.from(x, (_, i) => { let t = 0; for (let j = 0; j < WIDTH; j++) t += m[i * WIDTH + j] * x[j]; return t; });
    const back = (m, g) => Float64Array.from(g, (_, j) => { let t = 0; for (let i = 0; i < WIDTH; i++) t += m[i * WIDTH + j] * g[i]; return t; });
    const relu = (x) => x.map((v) => Math.max(v, 0)), mask = (g, y) => g.map((v, i) => (y[i] > 0 ? v : 0));
    const size = (x) => Math.sqrt(x.reduce((t, v) => t + v * v, 0) / WIDTH);
    let x = Float64Array.from({ length: WIDTH }, () => Math.abs(normal()));
    const first = size(x);
    up.push([0, 1]);
    for (let l = 0; l < count; l++) {
      if (residual) {
        const a = matrix(), b = matrix(), h = relu(apply(a, x)), f = apply(b, h), y = relu(x.map((v, i) => v + f[i]));
        steps.push((g) => { const m = mask(g, y), r = back(a, mask(back(b, m), h)); return m.map((v, i) => v + r[i]); });
        x = y;
      } else {
        const a = matrix(), y = relu(apply(a, x));
        steps.push((g) => back(a, mask(g, y)));
        x = y;
      }
      up.push([(l + 1) * (residual ? 2 : 1), size(x) / first]);
    }
    let g = Float64Array.from({ length: WIDTH }, () => 1);
    const down = [[state.depth, 1]];
    for (let l = count - 1; l >= 0; l--) {
      g = steps[l](g);
      down.push([l * (residual ? 2 : 1), size(g)]);
    }
    return [up, down.reverse()];
  }

  const signal = el("div"), gradient = el("div"), curves = el("div"), facts = el("div");
  function show() {
    const [plainUp, plainDown] = simulate(false), [resUp, resDown] = simulate(true), f = live.power;
    const pair = (a, b) => [{ name: "지름길 없음", points: a }, { name: "잔차", points: b }];
    signal.replaceChildren(live.chart(pair(plainUp, resUp), { x: "계층", y: "신호의 크기", log: true, format: f, label: "계층마다 신호의 크기" }));
    gradient.replaceChildren(live.chart(pair(plainDown, resDown).map((s) => ({ ...s, points: [...s.points].reverse() })),
      { x: "계층", y: "기울기의 크기", log: true, format: f, label: "계층마다 기울기의 크기" }));
    facts.replaceChildren(live.facts([["첫 계층의 기울기: 지름길 없음", f(plainDown[0][1])], ["잔차", f(resDown[0][1])]]));
    page.say(`가중치가 He 초깃값의 ${state.scale.toFixed(2)}배일 때 ${state.depth}층을 내려온 기울기는 지름길 없이 ${f(plainDown[0][1])}배, `
      + `잔차로는 ${f(resDown[0][1])}배다.`);
    page.ratio = [plainDown[0][1], resDown[0][1]];
  }
  const recorded = live.button("기록된 학습 곡선 보기", () => page.work(async () => {
    await live.script("runs.js");
    const series = RUNS.map(([run, name]) => ({ name, dashed: name.startsWith("plain"),
      points: live.runs[run].train_top1_error.map((v, i) => [i + 1, v]) }));
    curves.replaceChildren(live.chart(series, { x: "에폭", y: "학습 오류 (%)", from: 0, to: 40, label: "기록된 학습 오류" }));
    recorded.remove();
  }));
  page.body.replaceChildren(
    live.slider("깊이", { min: 4, max: 100, step: 4, value: 40, show: (v) => `${v}층` }, (v) => { state.depth = v; show(); }),
    live.slider("가중치", { min: 0.5, max: 1.5, step: 0.05, value: 0.8, show: (v) => `He × ${v.toFixed(2)}` }, (v) => { state.scale = v; show(); }),
    facts, el("div", { class: "live-two" }, signal, gradient),
    el("p", { class: "live-caption" }, "너비 32인 완전 연결 계층과 ReLU, 정규화 없이. 잔차 블록은 두 층마다 지름길 하나."), recorded, curves);
  state.scale = 0.8;
  show();
};
