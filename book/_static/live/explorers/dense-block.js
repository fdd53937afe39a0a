/* A dense block: which channels come from where, and what keeping them costs. */
live.explorers["dense-block"] = (page) => {
  "use strict";
  const { element: el } = live, state = { layers: 6, k: 12, inputs: 24, layer: 4, bottleneck: true };
  const picture = el("div", { class: "live-drawing" }), facts = el("div");

  function show() {
    const { layers: L, k, inputs, layer } = state, total = inputs + L * k, W = 640, rowHeight = Math.min(34, 260 / (L + 1));
    const px = (channels) => 92 + (channels / total) * (W - 100), parts = [];
    for (let l = 1; l <= L + 1; l++) {
      const y = (l - 1) * rowHeight + 4, read = inputs + (l - 1) * k, last = l === L + 1, chosen = l === layer;
      parts.push(el("text", { x: 0, y: y + rowHeight * 0.62, "font-weight": chosen ? 700 : 400 }, last ? "블록 출력" : `${l}층 입력`));
      for (let s = 0; s < l; s++) {
        const from = s ? inputs + (s - 1) * k : 0, to = s ? from + k : inputs;
        parts.push(el("rect", { x: px(from).toFixed(1), y, width: Math.max(px(to) - px(from) - 1.5, 1).toFixed(1), height: rowHeight - 5, rx: 2,
          fill: s ? `var(--live-${(s - 1) % 6})` : "var(--pst-color-text-muted)", "fill-opacity": chosen || last ? 0.95 : 0.35 },
        el("title", {}, `${s ? `${s}층이 만든 ${k}개` : `블록의 입력 ${inputs}개`}`)));
      }
      if (!last) parts.push(el("text", { x: Math.min(px(read) + 5, W - 60), y: y + rowHeight * 0.62 }, `${read}`));
    }
    picture.replaceChildren(el("svg", { viewBox: `0 0 ${W} ${(L + 1) * rowHeight + 6}`, role: "img",
      "aria-label": `${layer}층은 블록의 입력 ${inputs}개와 앞선 ${layer - 1}개 층의 맵을 읽는다` }, ...parts));
    const read = inputs + (layer - 1) * k;
    let naive = 0;
    for (let l = 1; l <= L; l++) naive += 2 * (inputs + (l - 1) * k); // concatenated, and normalised, kept for each layer
    const kept = state.bottleneck ? L * 8 * k : 0; // what the bottleneck makes and its normalisation, in both forms
    const shared = inputs + (L - 1) * k; // the maps that some layer of the block reads
    const weights = state.bottleneck ? 4 * k * read + 9 * 4 * k * k : 9 * read * k;
    facts.replaceChildren(live.facts([[`${layer}층이 읽는 맵`, read, "개"], ["새로 만드는 맵", k, "개"],
      [`${layer}층의 가중치`, live.count(weights)], ["남기는 맵: 그대로", naive + kept, "개"], ["다시 계산하면", shared + kept, "개"]]));
    which.set(layer, L);
    page.say(`${layer}층은 입력 ${inputs}개와 앞선 층의 ${layer - 1}×${k}개, 모두 ${read}개를 읽는다. `
      + `이어 붙인 맵과 정규화한 맵을 층마다 남기면 L의 제곱으로 늘고, 다시 계산하면 L에 비례한다.`);
    Object.assign(page, { read, naive, shared });
  }
  const change = (key) => (v) => { state[key] = v; state.layer = Math.min(state.layer, state.layers); show(); };
  const which = live.slider("볼 층", { min: 1, max: 6, value: 4, show: (v) => `${v}층` }, change("layer"));
  page.body.replaceChildren(picture, which,
    live.slider("계층 수", { min: 2, max: 16, value: 6, show: (v) => `${v}개` }, change("layers")),
    live.slider("성장률 k", { min: 4, max: 48, step: 4, value: 12 }, change("k")),
    live.slider("블록의 입력", { min: 8, max: 128, step: 8, value: 24, show: (v) => `${v}개` }, change("inputs")),
    live.check("병목 (1×1로 4k개, 그다음 3×3)", true, change("bottleneck")), facts);
  show();
};
