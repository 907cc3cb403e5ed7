"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const made = (name, text, className) => {
    const node = document.createElement(name);
    if (text !== undefined && text !== null) node.textContent = text;
    if (className) node.className = className;
    return node;
  };

  // The reader's own zone, beside UTC.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  for (const node of all("time[datetime]")) {
    const at = new Date(node.dateTime);
    if (Number.isNaN(at.getTime()) || at.getTimezoneOffset() === 0) continue;
    const sameDay = at.getDate() === at.getUTCDate();
    const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const day = sameDay ? {} : { day: "numeric", month: "short" };
    const local = new Intl.DateTimeFormat("en-GB", { ...day, ...clock }).format(at);
    node.after(made("span", ` (${local} in ${zone.split("/").pop().replaceAll("_", " ")})`, "local"));
  }

  // Light and dark: as the reader's system wants it, until the reader says otherwise.
  const root = document.documentElement;
  const theme = one("#theme");
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : preferred.matches);
  const label = () => { theme.textContent = isDark() ? "Light colours" : "Dark colours"; };
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
  preferred.addEventListener("change", label);
  label();

  // A figure leads to the fold that holds what is behind it.
  const unfold = () => {
    const wanted = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!wanted) return;
    for (let node = wanted; node; node = node.parentElement) if (node instanceof HTMLDetailsElement) node.open = true;
    wanted.scrollIntoView();
  };
  addEventListener("hashchange", unfold);

  const form = one("#explorer");
  if (!form) { unfold(); return; }

  const { columns, rows, addresses } = JSON.parse(one("#embedded").textContent);
  const place = Object.fromEntries(columns.map((name, index) => [name, index]));
  const value = (row, name) => row[place[name]];
  const words = rows.map((row) => row.flat().filter((each) => each !== null).join("\u001f").toLowerCase());
  const WORDS = { fail: "fails", warn: "to accept", known: "explained" };
  const MARKS = { fail: "✕", warn: "!", known: "·" };
  const LOT = 100;
  const body = one("#found tbody");
  const next = one("#next");
  let found = rows;
  let visible = LOT;

  const fill = (name, title) => {
    const select = form.elements[name];
    const counts = new Map();
    for (const row of rows) {
      const held = value(row, name === "check" ? "checks" : name);
      for (const each of [held].flat()) counts.set(each ?? "", (counts.get(each ?? "") ?? 0) + 1);
    }
    select.replaceChildren(new Option(title, ""));
    for (const [each, count] of [...counts].sort((a, b) => b[1] - a[1])) {
      select.add(new Option(`${(name === "grade" && WORDS[each]) || each || "–"} (${count.toLocaleString("en")})`, each));
    }
  };
  for (const [name, title] of [["class", "everything"], ["grade", "everything"], ["object", "all objects"],
    ["check", "all checks"], ["state", "new and known"], ["group", "all groups"]]) fill(name, title);

  const ids = (row) => {
    const cell = made("td");
    cell.dataset.name = "Record";
    cell.append(`${value(row, "object") ?? ""} ${value(row, "source_id") ?? value(row, "key") ?? value(row, "target_id") ?? ""} `);
    const places = addresses[value(row, "object")] ?? {};
    for (const [side, id, text] of [["old", value(row, "source_id"), "open old"], ["new", value(row, "target_id"), "open new"]]) {
      if (!places[side] || !id) continue;
      const link = made("a", text);
      link.href = places[side].replaceAll("{id}", encodeURIComponent(id));
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      link.setAttribute("aria-label", `${text} record ${id}`);
      cell.append(link, " ");
    }
    return cell;
  };
  const cell = (name, text) => {
    const node = made("td");
    node.dataset.name = name;
    node.append(text === null || text === undefined ? made("span", "(empty)", "quiet") : made("div", text, "value"));
    return node;
  };
  const line = (row) => {
    const node = made("tr");
    const id = made("td");
    id.dataset.name = "Difference";
    id.append(made("code", value(row, "difference")));
    if (value(row, "state") === "new") id.append(" ", made("span", "new", "quiet"));
    const grade = made("td");
    grade.dataset.name = "Weighs";
    const weight = value(row, "grade");
    const pill = made("span", null, `pill ${Object.hasOwn(WORDS, weight) ? weight : "known"}`);
    const mark = made("span", MARKS[weight] ?? "·");
    mark.setAttribute("aria-hidden", "true");
    pill.append(mark, ` ${WORDS[weight] ?? weight}`);
    grade.append(pill);
    const what = made("td", value(row, "class"));
    what.dataset.name = "What";
    const field = made("td", value(row, "field") ?? "(the record)");
    field.dataset.name = "Field";
    node.append(id, grade, what, ids(row), field, cell("Expected", value(row, "expected")), cell("In the target", value(row, "found")));
    return node;
  };
  const draw = () => {
    body.replaceChildren(...found.slice(0, visible).map(line));
    next.hidden = found.length <= visible;
    const count = (n) => n.toLocaleString("en");
    const on = Math.min(visible, found.length);
    one("#shown").textContent = `${count(found.length)} of ${count(rows.length)} differences on this page fit` +
      (found.length > on ? `; the first ${count(on)} are listed.` : ".");
  };
  const filter = () => {
    const asked = Object.fromEntries(new FormData(form));
    const needles = asked.words.toLowerCase().split(/\s+/).filter(Boolean);
    found = rows.filter((row, index) =>
      ["class", "grade", "object", "state", "group"].every((name) => !asked[name] || value(row, name) === asked[name]) &&
      (!asked.check || (value(row, "checks") ?? []).includes(asked.check)) &&
      needles.every((needle) => words[index].includes(needle)));
    visible = LOT;
    draw();
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  next.addEventListener("click", () => { visible += LOT; draw(); });

  // From a figure to its rows.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-filter]");
    if (!link) return;
    event.preventDefault();
    form.reset();
    for (const [name, wanted] of new URLSearchParams(link.dataset.filter)) {
      const select = form.elements[name];
      if (!select) continue;
      if (![...select.options].some((each) => each.value === wanted)) select.add(new Option(`${wanted} (0)`, wanted));
      select.value = wanted;
    }
    filter();
    one("#differences").focus({ preventScroll: true });
    one("#differences").scrollIntoView();
  });

  // What is shown, for a spreadsheet: nothing in it may begin as a formula does.
  const spelled = (each) => {
    let text = each === null || each === undefined ? "" : [each].flat().join(" ");
    if (/^[=+\-@\t\r\n]/.test(text) && !/^[+-]?[\d.,]+%?$/.test(text)) text = `'${text}`;
    return `"${text.replaceAll('"', '""')}"`;
  };
  one("#export").addEventListener("click", () => {
    const lines = [columns, ...found].map((row) => row.map(spelled).join(","));
    const link = made("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
    link.download = "differences.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  draw();
  unfold();
})();
