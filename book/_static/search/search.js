/* The matcher of the book's search: finds Korean by its syllables. A classic script: works from file:// and in Node.

   A query becomes concepts. A concept is a list of words that mean the same: what was typed, the same without its
   particle, and the synonyms of either. Text is compared in lower case with spaces left out, so that 특징맵 finds 특징 맵.
   A section's score adds up its concepts: headings count above text, rarer words above common ones. */
"use strict";

const bookSearch = (() => {
  const PARTICLES = (
    "이란무엇인가 란무엇인가 이라는 라는 이란 란 에서는 에서의 에서도 으로는 으로의 으로도 에서 에게 으로 까지 부터 보다 처럼 마다 " +
    "이나 이다 이고 이며 인가 인지 일까 하는 하기 하면 해서 했을 했다 한다 하다 되는 된다 들이 들은 들을 들의 들 에는 에도 와의 과의 " +
    "하게 하여 하고 하며 하지 할 한 함 했던 된 될 됨 되어 되고 시키는 시킨 적인 적으로 입니다 합니다 됩니다 " +
    "은 는 이 가 을 를 의 에 로 와 과 도 만 나 랑 요"
  ).split(" ");
  const EMPTY = new Set(
    (
      "뭐 뭐야 뭔가 뭔가요 뭔지 무엇 무엇인가 무엇인가요 무슨 뜻 의미 설명 정의 왜 어떻게 어떤 얼마나 얼마 대해 대한 대하여 " +
      "이유 까닭 방법 하는법 법 좀 알려줘 알려 있나 있나요 하나요 인가요 일까 것 수 때 쓰는 쓰나 쓰는가 하는가 하나 그 이 및 와 과 the a of in is what why how and"
    ).split(" "),
  );
  const HANGUL = /[가-힣]/;
  const squeeze = (text) =>
    text
      .toLowerCase()
      .replace(/[×✕]/g, "x")
      .replace(/[\s·\-‐–—_,.:;!?'"“”‘’()[\]{}<>/|~`*#]+/g, "");

  const letters = new Map(); // each letter squeezed once

  /* Squeezed text, with the place in the original of each letter and whether a word begins there. */
  function squeezed(text) {
    let out = "";
    const places = [];
    for (let i = 0; i < text.length; i += 1) {
      let letter = letters.get(text[i]);
      if (letter === undefined) letters.set(text[i], (letter = squeeze(text[i])));
      if (letter) {
        out += letter;
        for (let k = 0; k < letter.length; k += 1) places.push(i);
      }
    }
    return { out, places };
  }

  function startsWord(text, place) {
    return place === 0 || !/[0-9A-Za-z가-힣]/.test(text[place - 1]) || HANGUL.test(text[place - 1]) !== HANGUL.test(text[place]);
  }

  function endsWord(text, place) {
    const rest = text.slice(place).match(HANGUL.test(text[place - 1]) ? /^[가-힣]*/ : /^[0-9A-Za-z]*/)[0];
    return rest === "" || PARTICLES.includes(rest);
  }

  /* Where a word stands in a field. Short words (one syllable, Latin letters) must begin a word; the shortest also end it. */
  function* places(field, word) {
    const latin = !HANGUL.test(word);
    for (let at = field.out.indexOf(word); at !== -1; at = field.out.indexOf(word, at + 1)) {
      const first = field.places[at];
      const after = field.places[at + word.length - 1] + 1;
      if (latin || word.length === 1) {
        if (!startsWord(field.text, first)) continue;
        if (word.length <= (latin ? 3 : 1) && !endsWord(field.text, after)) continue;
      }
      yield [first, after];
    }
  }

  const count = (field, word, most = 8) => {
    let n = 0;
    for (const _ of places(field, word)) if (++n >= most) break;
    return n;
  };

  const field = (text) => ({ text, ...squeezed(text) });

  function prepare(data) {
    const sections = [];
    for (const page of data.pages) {
      const title = field(page.title);
      page.sections.forEach(([anchor, heading, text, code], order) => {
        const entry = anchor.startsWith("term-");
        sections.push({
          page: page.page, title, anchor, order, entry,
          heading: field(heading), text: field(text), code: field(code), isTop: order === 0 && !entry,
        }); // prettier-ignore
      });
    }
    const synonyms = new Map();
    for (const group of data.synonyms) {
      const words = group.map(squeeze);
      for (const word of words) {
        if (!synonyms.has(word)) synonyms.set(word, new Set());
        words.forEach((other) => synonyms.get(word).add(other));
      }
    }
    const whole = sections.map((s) => s.heading.out + s.text.out + s.code.out).join("\n");
    return { sections, synonyms, whole };
  }

  /* The word without its particle, when something is left to search for: 잔차의 -> 잔차. Longest particle first. */
  function stems(word) {
    const found = [word];
    for (const particle of PARTICLES) {
      const stem = word.slice(0, -particle.length);
      if (word.endsWith(particle) && stem.length >= 1 && (stem.length >= 2 || particle.length === 1)) found.push(stem);
    }
    return [...new Set(found)];
  }

  function conceptOf(index, typed) {
    const words = new Map();
    const add = (word, weight) => word && words.set(word, Math.max(weight, words.get(word) ?? 0));
    let weight = 1;
    for (const stem of stems(typed)) {
      if (stem !== typed && !index.whole.includes(stem) && !index.synonyms.has(stem)) continue;
      add(stem, stem === typed ? 1 : (weight = 0.9));
      for (const other of index.synonyms.get(stem) ?? []) add(other, 0.75 * weight);
    }
    if (!known(index, typed)) beginWith(index, typed).forEach((word) => add(word, 0.6)); // 보틀 -> 보틀넥, 병목
    return [...words].map(([word, w]) => ({ word, weight: w }));
  }

  const beginWith = (index, start) =>
    [...index.synonyms]
      .filter(([word]) => stems(start).some((stem) => stem.length > 1 && word.startsWith(stem)))
      .flatMap(([, others]) => [...others]);

  const known = (index, word) => stems(word).some((stem) => index.whole.includes(stem) || index.synonyms.has(stem));

  /* A compound that stands nowhere: cut where both halves are known, the longer first half first. */
  function split(index, word) {
    for (let at = word.length - 2; at >= 2; at -= 1) {
      const [left, right] = [word.slice(0, at), word.slice(at)];
      if (known(index, left) && known(index, right)) return [left, right];
    }
    return [word];
  }

  /* What was typed, as concepts: the longest runs of words that have synonyms, then the words one by one. */
  function parse(index, query) {
    const tokens = query
      .normalize("NFC")
      .replace(/(\d)\s*[x×*]\s*(\d)/gi, "$1x$2")
      .split(/[\s,?!·"'“”]+/)
      .map(squeeze)
      .filter(Boolean);
    const concepts = [];
    for (let i = 0; i < tokens.length; ) {
      let length = Math.min(4, tokens.length - i);
      const run = (n) => tokens.slice(i, i + n).join("");
      while (length > 1 && !stems(run(length)).some((stem) => index.synonyms.has(stem))) length -= 1;
      const typed = run(length);
      i += length;
      if (EMPTY.has(typed) && tokens.length > 1) continue;
      const parts = known(index, typed) || beginWith(index, typed).length ? [typed] : split(index, typed);
      parts.forEach((part) => concepts.push(conceptOf(index, part)));
    }
    return concepts.length ? concepts : tokens.map((token) => conceptOf(index, token));
  }

  const plainHeading = (text) => squeeze(text.replace(/^[\d.]+\s*/, "").replace(/\([^)]*절[^)]*\)/g, ""));

  function scoreOf(section, concept) {
    let best = 0;
    let word = null;
    for (const { word: candidate, weight } of concept) {
      let score = 0;
      if (count(section.heading, candidate, 1)) {
        const heading = plainHeading(section.heading.text);
        score += heading === candidate ? 60 : heading.startsWith(candidate) ? 42 : 34;
        if (section.isTop) score += 14;
      }
      if (!section.isTop && count(section.title, candidate, 1)) score += 9;
      const times = count(section.text, candidate);
      if (times) score += 5 + 4 * Math.log2(1 + times);
      if (!score && section.code.out && count(section.code, candidate, 1)) score = 4;
      if (score * weight > best) [best, word] = [score * weight, candidate];
    }
    return { best, word };
  }

  function search(index, query) {
    const concepts = parse(index, query);
    if (!concepts.length) return { concepts, results: [] };
    const table = index.sections.map((section) => concepts.map((concept) => scoreOf(section, concept)));
    const rarity = concepts.map((_, c) => Math.log2(1 + index.sections.length / (1 + table.filter((row) => row[c].best).length)));
    const pageHas = new Map();
    index.sections.forEach((section, s) => {
      const has = pageHas.get(section.page) ?? concepts.map(() => false);
      pageHas.set(section.page, has.map((had, c) => had || table[s][c].best > 0));
    });
    const phrase = squeeze(query);
    const scored = [];
    index.sections.forEach((section, s) => {
      const row = table[s];
      const here = row.filter(({ best }) => best).length;
      if (!here) return;
      const nearby = pageHas.get(section.page).filter(Boolean).length - here;
      const coverage = (here + 0.4 * nearby) / concepts.length;
      let score = row.reduce((sum, { best }, c) => sum + best * (0.4 + rarity[c] / 4), 0) * coverage * coverage;
      if (concepts.length > 1 && section.heading.out.includes(phrase)) score += 40;
      else if (concepts.length > 1 && section.text.out.includes(phrase)) score += 12;
      scored.push({ section, score, words: row.map(({ word }) => word).filter(Boolean) });
    });
    scored.sort((a, b) => b.score - a.score || a.section.order - b.section.order);
    return { concepts, results: byPage(scored) };
  }

  /* One result a page, its best sections within; a page with several good sections comes a little sooner. */
  function byPage(scored) {
    const pages = new Map();
    for (const hit of scored) {
      const page = pages.get(hit.section.page) ?? { page: hit.section.page, title: hit.section.title.text, hits: [], score: 0 };
      if (page.hits.length < 4) page.score += hit.score * [1, 0.15, 0.1, 0.05][page.hits.length];
      page.hits.push(hit);
      pages.set(hit.section.page, page);
    }
    return [...pages.values()].sort((a, b) => b.score - a.score);
  }

  /* Some 140 letters around the first place where most of the words stand, begun at a sentence where one is near. */
  function excerpt(section, words, length = 140) {
    const text = section.text.text;
    const marks = words.flatMap((word) => [...places(section.text, word)].slice(0, 40)).sort((a, b) => a[0] - b[0]);
    if (!marks.length) return { text: text.slice(0, length) + (text.length > length ? " …" : ""), marks: [] };
    const within = (m) => marks.filter(([first]) => first >= m[0] && first < m[0] + length - 30).length;
    const best = marks.reduce((a, b) => (within(b) > within(a) ? b : a));
    const sentence = Math.max(text.lastIndexOf("다. ", best[0] - 1) + 3, text.lastIndexOf("? ", best[0] - 1) + 2, 2);
    let from = sentence > 3 && best[0] - sentence < 60 ? sentence : best[0] < 60 ? 0 : text.indexOf(" ", best[0] - 40) + 1;
    if (from > best[0]) from = best[0];
    let to = Math.min(text.length, from + length);
    if (to < text.length) to = Math.max(text.lastIndexOf(" ", to), best[1]);
    const shown = marks.filter(([a, b]) => a >= from && b <= to).map(([a, b]) => [a - from, b - from]);
    return { text: text.slice(from, to), marks: shown, before: from > 0, after: to < text.length };
  }

  return { prepare, parse, search, excerpt };
})();

if (typeof module !== "undefined") module.exports = bookSearch;
