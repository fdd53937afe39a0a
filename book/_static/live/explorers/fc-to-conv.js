/* A fully-connected layer on 2x2 maps slides over a larger map: a convolution, with numbers. */
live.explorers["fc-to-conv"] = (page) => {
  "use strict";
  const { element: el } = live, WEIGHTS = [[1, 0, 0, 1], [0, 1, 1, 0], [-1, -1, 1, 1]], NAMES = ["↘ 대각선", "↗ 대각선", "가로 경계"];
  const map = [1, 0, 0, 2, 0, 1, 2, 0, 0, 3, 1, 0, 3, 0, 0, 1], state = { at: 0, label: 0, side: 4 };
  const grid = el("div"), result = el("div"), sum = el("p", { class: "live-sum" });

  const cells = (side, content, marked, name, press) => el("div", { class: "live-cells", role: "group", "aria-label": name,
    style: `grid-template-columns:repeat(${side}, minmax(0, 3rem))` },
  content.map((value, i) => el(press ? "button" : "div", { type: press ? "button" : null, class: marked(i) ? "live-marked" : null,
    "aria-label": press ? `${Math.floor(i / side) + 1}행 ${(i % side) + 1}열: ${value}` : null,
    onclick: press ? () => press(i) : () => {} }, String(value))));

  function show() {
    const n = state.side - 1, [row, column] = [Math.floor(state.at / n), state.at % n], w = WEIGHTS[state.label];
    const window_ = (at) => [0, 1, 4, 5].map((o) => Math.floor(at / n) * 4 + (at % n) + o);
    const inside = window_(state.at), score = (at, weights) => window_(at).reduce((s, i, k) => s + map[i] * weights[k], 0);
    const shown = map.map((v, i) => [v, i]).filter(([, i]) => i % 4 < state.side && i < 4 * state.side);
    grid.replaceChildren(cells(state.side, shown.map(([v]) => v), (i) => inside.includes(shown[i][1]), "입력 맵. 누르면 값이 커진다",
      (i) => { map[shown[i][1]] = (map[shown[i][1]] + 1) % 4; show(); grid.querySelectorAll("button")[i].focus(); }));
    const scores = Array.from({ length: n * n }, (_, at) => score(at, w));
    result.replaceChildren(cells(n, scores, (i) => i === state.at, `${NAMES[state.label]}의 점수 맵`, (i) => {
      state.at = i; show(); result.querySelectorAll("button")[i].focus(); }));
    const terms = inside.map((i, k) => `${map[i]}×${w[k] < 0 ? `(${w[k]})` : w[k]}`).join(" + ");
    sum.textContent = `${terms} = ${score(state.at, w)}`;
    const mean = WEIGHTS.map((one) => Array.from({ length: n * n }, (_, at) => score(at, one)).reduce((a, b) => a + b, 0) / n ** 2);
    facts.replaceChildren(live.facts(mean.map((v, i) => [`${NAMES[i]} 평균`, v.toFixed(2)])));
    page.say(state.side === 2 ? "맵이 2×2면 점수는 하나, 완전 연결 계층과 똑같다."
      : `같은 가중치 네 개를 ${row + 1}행 ${column + 1}열에 놓았다. 점수 맵은 ${n}×${n}, 평균이 사진 전체의 점수다.`);
    page.scores = scores;
  }
  const facts = el("div");
  const step = live.button("다음 칸으로", () => { state.at = (state.at + 1) % (state.side - 1) ** 2; show(); });
  page.body.replaceChildren(
    live.choice("맵의 크기", [[2, "2×2 (크롭)"], [3, "3×3"], [4, "4×4"]], 4, (v) => { state.side = +v; state.at = 0; show(); }),
    live.choice("클래스", NAMES.map((name, i) => [i, name]), 0, (v) => { state.label = +v; show(); }),
    el("div", { class: "live-slide" }, el("div", {}, el("p", { class: "live-caption" }, "입력 맵 (누르면 값이 바뀐다)"), grid),
      el("div", { class: "live-arrow", "aria-hidden": "true" }, "→"), el("div", {}, el("p", { class: "live-caption" }, "점수 맵"), result)),
    sum, step, facts);
  show();
};
