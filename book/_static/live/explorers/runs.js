/* The recorded learning curves: choose and lay over each other. */
live.explorers.runs = (page) => {
  "use strict";
  const { element: el } = live, state = { column: "val_top1_error" };
  const COLUMNS = { val_top1_error: "검증 오류 (%)", train_top1_error: "학습 오류 (%)", train_loss: "학습 손실" };
  const FIRST = ["fashion-mnist-plain20", "fashion-mnist-plain56", "fashion-mnist-resnet20", "fashion-mnist-resnet56"];
  const chart = el("div"), list = el("div", { class: "live-scroll live-list", role: "group", "aria-label": "실험" });
  let chosen = [];

  function show() {
    list.querySelectorAll("input").forEach((box) => { box.disabled = !box.checked && chosen.length >= 6; });
    if (!chosen.length) { chart.replaceChildren(); page.say("실험을 하나 이상 고른다."); return; }
    const series = chosen.map((name) => ({ name, points: live.runs[name][state.column].map((v, i) => [i + 1, v]) }));
    const all = series.flatMap((s) => s.points.map((p) => p[1])).sort((a, b) => a - b);
    chart.replaceChildren(live.chart(series, { x: "에폭", y: COLUMNS[state.column], from: 0,
      to: all[Math.floor(all.length * 0.97)], format: (v) => +v.toFixed(2), label: `${COLUMNS[state.column]}의 곡선 ${series.length}개` }));
    page.say(`${COLUMNS[state.column]}. ${chosen.map((name) => {
      const { seeds, test } = live.runs[name];
      return `${name}: 시드 ${seeds}개의 평균${test == null ? "" : `, 시험 오류 ${test}%`}`;
    }).join(" · ")}`);
  }
  page.body.replaceChildren(el("p", {}, "곡선을 읽는 중…"));
  page.root.dataset.state = "loading";
  live.script("runs.js").then(() => {
    const names = Object.keys(live.runs);
    chosen = FIRST.filter((name) => names.includes(name));
    if (!chosen.length) chosen = names.slice(0, 2);
    list.append(...names.map((name) => live.check(name, chosen.includes(name), (on) => {
      chosen = on ? [...chosen, name] : chosen.filter((n) => n !== name);
      show();
    })));
    page.body.replaceChildren(live.choice("볼 값", Object.entries(COLUMNS), state.column, (v) => { state.column = v; show(); }), chart,
      el("details", {}, el("summary", {}, `실험 고르기 (${names.length}개 가운데 여섯까지)`), list));
    show();
    page.root.dataset.state = "ready";
  }).catch(page.fail);
  return "idle";
};
