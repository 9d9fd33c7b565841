
// ---------------------------------------------------------------- the map of embeddings

function startMap(map) {
  const SHADES = 12; // classes with a colour of their own, the most frequent ones
  const SVG = "http://www.w3.org/2000/svg";
  const plane = element("map-plane");
  const mark = element("map-mark");
  const colour = element("map-colour");
  const only = element("map-only");
  // Flagged points are drawn last, so that they lie above.
  const drawn = map.x.map((_x, at) => at).sort((a, b) => map.kept[b] - map.kept[a] || a - b);
  const suspicious = map.x.map((_x, at) => at).sort((a, b) => map.prob[a] - map.prob[b] || a - b);
  const circles = new Map();
  let current = null;

  for (const at of drawn) {
    const circle = document.createElementNS(SVG, "circle");
    circle.setAttribute("cx", map.x[at]);
    circle.setAttribute("cy", map.y[at]);
    circle.setAttribute("r", 5);
    circles.set(at, circle);
    element("map-points").append(circle);
  }

  plane.querySelector("svg").setAttribute(
    "viewBox", `-20 -20 ${Math.max(...map.x) + 40} ${Math.max(...map.y) + 40}`,
  );

  const name = (number) => (number < 0 ? "none" : map.names[number]);
  const isShown = (at) => only.value === "" || (only.value === "kept") === map.kept[at];

  /** The most frequent classes, each with a shade; others share one. */
  function shades(column) {
    const counts = new Map();
    for (const number of column) counts.set(number, (counts.get(number) ?? 0) + 1);
    const order = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || a - b);
    return order.slice(0, SHADES);
  }

  function paint() {
    const column = map[colour.value];
    const order = column ? shades(column) : [];
    const keyOf = (at) => {
      if (!column) return map.kept[at] ? "kept" : "flagged";
      const shade = order.indexOf(column[at]);
      return shade < 0 ? "other" : `shade-${shade}`;
    };
    for (const [at, circle] of circles) {
      circle.setAttribute("class", `dot-${keyOf(at)}${map.kept[at] ? "" : " dot-doubted"}`);
      circle.toggleAttribute("hidden", !isShown(at));
    }
    const entries = column
      ? order.map((number, shade) => [`shade-${shade}`, name(number)])
      : [["kept", "kept"], ["flagged", "flagged"]];
    if (column && new Set(column).size > order.length) entries.push(["other", "other classes"]);
    if (column) entries.push(["ringed", "ringed: flagged"]);
    element("map-legend").replaceChildren(...entries.map(([key, text]) => {
      const item = document.createElement("li");
      item.className = `key-${key}`;
      item.textContent = text;
      return item;
    }));
  }

  function paragraph(text, kind = "") {
    const made = document.createElement("p");
    made.className = kind;
    made.textContent = text;
    return made;
  }

  function show(at) {
    current = at;
    mark.removeAttribute("hidden");
    mark.setAttribute("cx", map.x[at]);
    mark.setAttribute("cy", map.y[at]);
    const parts = [];
    if (map.source[at]) {
      const picture = document.createElement("img");
      picture.src = map.source[at];
      picture.alt = `Picture of row ${map.row[at]}`;
      parts.push(picture);
    } else {
      parts.push(paragraph(map.problem[at]));
    }
    const given = name(map.given[at]);
    const suggested = name(map.suggested[at]);
    parts.push(paragraph(map.kept[at] ? `${given} · kept` : `${given} → ${suggested} · flagged`));
    parts.push(paragraph(`clean_prob ${map.prob[at]} · row ${map.row[at]}`, "soft"));
    parts.push(paragraph(map.file[at], "soft"));
    const card = data.rows.findIndex((row) => row.row === map.row[at]);
    if (card >= 0) {
      const link = document.createElement("button");
      link.type = "button";
      link.textContent = "Go to its card";
      link.addEventListener("click", () => {
        const item = document.querySelector(`#cards > li[data-index="${card}"]`);
        if (item.hidden) {
          for (const filter of document.querySelectorAll("#review .controls select")) {
            if (filter.id !== "order" && filter.value) {
              filter.value = "";
              filter.dispatchEvent(new Event("change"));
            }
          }
        }
        const shown = item.querySelector(".card");
        shown.focus({ preventScroll: true });
        shown.scrollIntoView({ block: "center" });
      });
      parts.push(link);
    }
    element("map-point").replaceChildren(...parts);
  }

  /** The shown point nearest to a click. */
  function nearest(event) {
    const svg = plane.querySelector("svg");
    const where = new DOMPoint(event.clientX, event.clientY).matrixTransform(
      svg.getScreenCTM().inverse(),
    );
    const far = (at) => (map.x[at] - where.x) ** 2 + (map.y[at] - where.y) ** 2;
    let best = null;
    for (const at of suspicious) {
      if (isShown(at) && (best === null || far(at) < far(best))) best = at;
    }
    return best;
  }

  plane.addEventListener("click", (event) => {
    const at = nearest(event);
    if (at !== null) show(at);
  });
  plane.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const order = suspicious.filter(isShown);
    const at = order[(order.indexOf(current) + step + order.length) % order.length];
    if (at !== undefined) show(at);
  });
  for (const each of [colour, only]) each.addEventListener("change", paint);
  colour.value = "verdict"; // browsers fill forms in again after a reload
  only.value = "";
  paint();
}

if (data.map) startMap(data.map);
