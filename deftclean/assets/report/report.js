"use strict";
// The review: which card is current, what was decided, what the browser keeps, what is saved.
// Text of the data set is only ever written as text; nothing here builds HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
document.documentElement.classList.add("js");

// ---------------------------------------------------------------- what the browser keeps

// Under the hash of the table, so that two reports never mix.
const DECISIONS = `deftclean review ${data.table}`;
const NAME = "deftclean reviewer";
const LETTERS = "deftclean letters";

function stored(key) {
  try {
    return window.localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Whether it could be kept: browsers may forbid it, above all for files. */
function store(key, text) {
  try {
    window.localStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

/** Decisions by row: {decision, label, reviewer, at}; what is damaged is left out. */
function storedDecisions() {
  const found = new Map();
  let parsed = null;
  try {
    parsed = JSON.parse(stored(DECISIONS));
  } catch {
    return found;
  }
  for (const [row, made] of Object.entries(parsed ?? {})) {
    const relabel = made?.decision === "relabel";
    if (!["keep", "relabel", "drop"].includes(made?.decision)) continue;
    if (relabel && (typeof made.label !== "string" || !made.label)) continue;
    found.set(Number(row), {
      decision: made.decision,
      label: relabel ? made.label : "",
      reviewer: String(made.reviewer ?? ""),
      at: String(made.at ?? ""),
    });
  }
  return found;
}

// ---------------------------------------------------------------- review.csv

const COLUMNS = [
  "row", "file_name", "content_sha256", "given_label", "decision", "final_label", "reviewer",
  "reviewed_at", "audit_sample",
];

/** One cell; an apostrophe before what a spreadsheet would take for a formula. */
function cell(value) {
  const text = /^'*[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",;\t\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv(decisions) {
  const lines = [COLUMNS.join(",")];
  for (const row of data.rows.toSorted((a, b) => a.row - b.row)) {
    const made = decisions.get(row.row);
    if (!made) continue;
    const values = [
      String(row.row), row.file_name, row.content_sha256, row.given_label, made.decision,
      made.label, made.reviewer, made.at, row.sample,
    ];
    lines.push(values.map(cell).join(","));
  }
  return `\ufeff${lines.join("\r\n")}\r\n`;
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// ---------------------------------------------------------------- the review itself

function startReview() {
  const items = [...document.querySelectorAll("#cards > li")];
  const cards = items.map((item) => item.querySelector(".card"));
  const reviewer = element("reviewer");
  const letters = element("letters");
  const filters = ["given", "suggested", "why", "state", "kind", "quality"].map((name) => element(`filter-${name}`));
  const labels = [...element("choose-list").options].map((option) => option.textContent);
  let decisions = storedDecisions();
  let history = []; // {index, before}, the last one at the end
  let current = 0;
  let order = items.map((_item, index) => index); // as shown
  let unsaved = false;

  const say = (text) => { element("status").textContent = text; };
  const isShown = (index) => !items[index].hidden;
  const decided = () => data.rows.filter((row) => decisions.has(row.row)).length;

  // ------------------------------------------------ showing

  function verdict(index) {
    const made = decisions.get(data.rows[index].row);
    if (!made) return "";
    if (made.decision === "keep") return "keep";
    if (made.decision === "drop") return "drop";
    return `→ ${labels[data.labels.indexOf(made.label)] ?? `${made.label} (new)`}`;
  }

  function showCard(index) {
    const made = decisions.get(data.rows[index].row);
    const text = verdict(index);
    const mark = cards[index].querySelector(".verdict");
    mark.textContent = text;
    mark.hidden = !text;
    cards[index].dataset.decision = made?.decision ?? "";
    const suggested = made?.label === data.rows[index].suggested;
    const pressed = {
      keep: made?.decision === "keep",
      suggested: made?.decision === "relabel" && suggested,
      other: made?.decision === "relabel" && !suggested,
      drop: made?.decision === "drop",
    };
    for (const button of cards[index].querySelectorAll("[data-do]")) {
      button.setAttribute("aria-pressed", String(pressed[button.dataset.do]));
    }
  }

  function showProgress() {
    const shown = items.filter((item) => !item.hidden).length;
    const some = shown < items.length ? ` · ${shown} shown` : "";
    element("progress").textContent = `${decided()} of ${items.length} decided${some}`;
    element("nothing").hidden = shown > 0;
    element("undo").disabled = !history.length && !decisions.has(data.rows[current].row);
  }

  /** One card takes part in the order of Tab; the others are reached with the arrows. */
  function makeCurrent(index) {
    for (const [place, card] of [[current, cards[current]], [index, cards[index]]]) {
      const inOrder = place === index ? 0 : -1;
      card.tabIndex = inOrder;
      for (const button of card.querySelectorAll("button, input")) button.tabIndex = inOrder;
    }
    current = index;
    showProgress();
  }

  function go(index) {
    if (index === null) return;
    makeCurrent(index);
    cards[index].focus({ preventScroll: true });
    cards[index].scrollIntoView({ block: "nearest" });
  }

  // ------------------------------------------------ filters

  function fits(index) {
    const [given, suggested, why, state, kind, quality] = filters.map((filter) => filter.value);
    const row = data.rows[index];
    const made = decisions.get(row.row)?.decision ?? "open";
    return (
      (given === "" || row.given_label === data.given[given]) &&
      (suggested === "" || row.suggested === data.suggested[suggested]) &&
      (why === "" || cards[index].dataset.why.split(" ").includes(why)) &&
      (state === "" || state === made) &&
      (kind === "" || row.kind === kind) &&
      (quality === "" || row.quality.includes(quality))
    );
  }

  function applyFilters() {
    items.forEach((item, index) => { item.hidden = !fits(index); });
    showPicked();
    if (!isShown(current)) makeCurrent(next(-1, 1) ?? current);
    showProgress();
  }

  /** The nearest shown card in a direction, and with `open` one without a decision. */
  function next(from, step, open = false) {
    const start = from < 0 ? -1 : order.indexOf(from);
    for (let at = start + step; at >= 0 && at < order.length; at += step) {
      const index = order[at];
      if (isShown(index) && !(open && decisions.has(data.rows[index].row))) return index;
    }
    return null;
  }

  // ------------------------------------------------ order

  const KINDS = ["off_topic", "duplicate_conflict", "bad_picture", "ambiguous", "wrong_label", null];
  const keyOf = {
    class: (row) => data.given.indexOf(row.given_label),
    kind: (row) => KINDS.indexOf(row.kind),
    smallest: (row) => row.pixels || Infinity,
    largest: (row) => -row.pixels,
  };

  /** As the page came, where keys are equal. */
  function applyOrder() {
    const keys = data.rows.map(keyOf[element("order").value] ?? (() => 0));
    const before = (a, b) => (keys[a] === keys[b] ? a - b : keys[a] < keys[b] ? -1 : 1);
    order = items.map((_item, index) => index).sort(before);
    element("cards").append(...order.map((index) => items[index]));
    makeCurrent(next(-1, 1) ?? current);
  }

  // ------------------------------------------------ deciding

  function keepDecisions() {
    const kept = store(DECISIONS, JSON.stringify(Object.fromEntries(decisions)));
    element("storage-note").hidden = kept;
  }

  function put(index, made) {
    if (made) decisions.set(data.rows[index].row, made);
    else decisions.delete(data.rows[index].row);
    unsaved = true;
    keepDecisions();
    showCard(index);
    showMerge();
  }

  /** Labels that the table does not know: `review` takes them only if they are named to it. */
  function newClasses() {
    const made = data.rows.map((row) => decisions.get(row.row)?.label).filter(Boolean);
    return [...new Set(made)].filter((label) => !data.labels.includes(label)).sort();
  }

  const merge = element("merge");
  const mergeAsMade = merge.textContent;

  /** The command that merges what is saved. */
  function showMerge() {
    const quoted = (text) => (/^[\w.]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
    const more = newClasses().map((label) => ` --new-class ${quoted(label)}`).join("");
    merge.textContent = mergeAsMade.replace(" -o ", () => `${more} -o `);
  }

  function decide(index, decision, label, move) {
    const before = decisions.get(data.rows[index].row) ?? null;
    history.push({ index, before });
    const at = `${new Date().toISOString().slice(0, 19)}Z`;
    put(index, { decision, label, reviewer: reviewer.value.trim(), at });
    const following = next(index, 1) ?? next(index, -1);
    applyFilters();
    if (move || !isShown(index)) {
      if (following !== null) go(following);
    } else {
      makeCurrent(index);
    }
    say(`Row ${data.rows[index].row}: ${verdict(index)}. ${element("progress").textContent}.`);
  }

  // ------------------------------------------------ deciding about several

  const picks = items.map((item) => item.querySelector("[data-pick]"));
  const picked = () => order.filter((index) => picks[index].checked && isShown(index));

  function showPicked() {
    const count = picked().length;
    element("several").hidden = !count;
    element("several-count").textContent = `${count} chosen`;
  }

  function pick(indices, checked) {
    for (const index of indices) picks[index].checked = checked;
    showPicked();
    say(`${picked().length} chosen.`);
  }

  /** One step for undo; rows with nothing else suggested are left as they are. */
  function decideSeveral(what) {
    const fit = (row) => row.suggested !== null && row.suggested !== row.given_label;
    const chosen = picked().filter((index) => what !== "suggested" || fit(data.rows[index]));
    const at = `${new Date().toISOString().slice(0, 19)}Z`;
    const who = reviewer.value.trim();
    const before = chosen.map((index) => [index, decisions.get(data.rows[index].row) ?? null]);
    if (chosen.length) history.push({ several: before });
    for (const index of chosen) {
      const label = what === "suggested" ? data.rows[index].suggested : "";
      const decision = what === "suggested" ? "relabel" : what;
      put(index, { decision, label, reviewer: who, at });
    }
    pick(picked(), false);
    applyFilters();
    say(`${chosen.length} rows: ${what}. ${element("progress").textContent}.`);
  }

  function undo() {
    const last = history.pop() ?? { index: current, before: null };
    if (last.several) {
      for (const [index, made] of last.several) put(index, made);
      applyFilters();
      say(`Undone: ${last.several.length} rows.`);
      return;
    }
    if (!last.before && !decisions.has(data.rows[last.index].row)) return;
    put(last.index, last.before);
    applyFilters();
    if (isShown(last.index)) go(last.index);
    say(`Undone: row ${data.rows[last.index].row} is ${verdict(last.index) || "not decided"}.`);
  }

  function act(index, what, move) {
    const row = data.rows[index];
    if (what === "keep") decide(index, "keep", "", move);
    if (what === "drop") decide(index, "drop", "", move);
    if (what === "other") choose(index, move);
    if (what === "suggested") {
      if (row.suggested === null || row.suggested === row.given_label) {
        say(`Row ${row.row} has no other label suggested.`);
      } else {
        decide(index, "relabel", row.suggested, move);
      }
    }
  }

  function save() {
    const open = data.rows.map((row) => decisions.get(row.row)).filter(Boolean);
    if (!open.length) {
      say("Nothing is decided yet.");
      return;
    }
    const name = reviewer.value.trim();
    if (!name && open.some((made) => !made.reviewer)) {
      reviewer.focus();
      reviewer.setCustomValidity("review.csv says who decided: enter your name, then save.");
      reviewer.reportValidity();
      say("Enter your name, then save.");
      return;
    }
    for (const made of open) made.reviewer ||= name;
    keepDecisions();
    download("review.csv", csv(decisions));
    unsaved = false;
    const made = newClasses().length;
    const more = made ? ` ${made} new classes: merge them with the command below.` : "";
    say(`review.csv: ${open.length} decisions.${more}`);
  }

  // ------------------------------------------------ choosing any label

  const dialog = element("choose");
  const search = element("choose-search");
  const list = element("choose-list");
  let choosing = null; // {index, move}

  function choose(index, move) {
    choosing = { index, move };
    search.value = "";
    listLabels();
    dialog.showModal();
    search.focus();
  }

  /** Labels with what is typed in them, and at the end what is typed as a class of its own. */
  function listLabels() {
    const text = search.value.trim();
    const part = text.toLowerCase();
    const own = data.rows[choosing.index].given_label;
    list.replaceChildren();
    labels.forEach((text, place) => {
      if (data.labels[place] === own || !text.toLowerCase().includes(part)) return;
      list.add(new Option(text, String(place)));
    });
    if (text && text !== own && !data.labels.includes(text)) {
      list.add(new Option(`new class: ${text}`, "new"));
    }
    list.selectedIndex = list.length ? 0 : -1;
    element("choose-ok").disabled = !list.length;
  }

  function chosen() {
    if (list.selectedIndex < 0) return;
    const label = list.value === "new" ? search.value.trim() : data.labels[Number(list.value)];
    dialog.close();
    decide(choosing.index, "relabel", label, choosing.move);
  }

  search.addEventListener("input", listLabels);
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && event.target === search && list.length) {
      list.selectedIndex = Math.min(list.length - 1, Math.max(0, list.selectedIndex + step));
      event.preventDefault();
    }
    if (event.key === "Enter" && (event.target === search || event.target === list)) {
      event.preventDefault();
      chosen();
    }
  });
  list.addEventListener("dblclick", chosen);
  element("choose-ok").addEventListener("click", chosen);
  element("choose-cancel").addEventListener("click", () => dialog.close());

  // ------------------------------------------------ keys, clicks, other windows

  const keys = {
    k: () => act(current, "keep", true),
    r: () => act(current, "suggested", true),
    o: () => act(current, "other", true),
    d: () => act(current, "drop", true),
    u: undo,
    n: () => go(next(current, 1, true) ?? next(-1, 1, true)),
    s: save,
    x: () => pick([current], !picks[current].checked),
    e: () => cards[current].querySelector("[data-enlarge]")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    const busy = document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey;
    if (busy || event.target.closest("input, select, textarea, .scroll, pre")) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const key = letters.checked && !event.repeat ? keys[event.key.toLowerCase()] : undefined;
    if (!step && !key) return;
    event.preventDefault();
    if (key) {
      key();
    } else {
      const inside = cards[current].contains(document.activeElement);
      go(inside ? next(current, step) : current);
    }
  });

  items.forEach((item, index) => {
    for (const button of item.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => act(index, button.dataset.do, false));
    }
    item.addEventListener("focusin", () => { if (index !== current) makeCurrent(index); });
  });
  for (const filter of filters) {
    filter.addEventListener("change", () => {
      applyFilters();
      const none = element("nothing").hidden ? "" : ` ${element("nothing").textContent}`;
      say(`${element("progress").textContent}.${none}`);
    });
  }
  picks.forEach((box) => box.addEventListener("change", showPicked));
  for (const button of document.querySelectorAll("[data-several]")) {
    button.addEventListener("click", () => decideSeveral(button.dataset.several));
  }
  element("choose-shown").addEventListener("click", () => pick(order.filter(isShown), true));
  element("several-none").addEventListener("click", () => pick(order, false));
  element("next-open").addEventListener("click", keys.n);
  element("undo").addEventListener("click", undo);
  element("save").addEventListener("click", save);
  reviewer.addEventListener("input", () => {
    reviewer.setCustomValidity("");
    store(NAME, reviewer.value);
  });
  letters.addEventListener("change", () => store(LETTERS, letters.checked ? "on" : "off"));
  window.addEventListener("storage", (event) => {
    if (event.key !== DECISIONS) return;
    decisions = storedDecisions();
    history = [];
    cards.forEach((_card, index) => showCard(index));
    showMerge();
    applyFilters();
  });
  window.addEventListener("beforeunload", (event) => {
    if (unsaved && !element("storage-note").hidden) event.preventDefault();
  });

  // ------------------------------------------------ the beginning

  reviewer.value = stored(NAME) ?? "";
  letters.checked = stored(LETTERS) !== "off";
  element("order").addEventListener("change", () => {
    applyOrder();
    say(`Sorted. ${element("progress").textContent}.`);
  });
  element("order").value = "";
  for (const filter of filters) filter.value = ""; // browsers fill forms in again after a reload
  element("storage-note").hidden = store(NAME, reviewer.value);
  cards.forEach((card, index) => {
    for (const button of card.querySelectorAll("button, input")) button.tabIndex = -1;
    picks[index].checked = false; // browsers fill forms in again after a reload
    showCard(index);
  });
  showMerge();
  makeCurrent(0);
  applyFilters();
}

if (data.rows.length) startReview();
