"use strict";

// Light or dark by hand; without a choice the system's setting holds.
(function () {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const button = document.createElement("button");
  const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = isDark() ? {{ _("Light theme") | tojson }} : {{ _("Dark theme") | tojson }}; };
  button.type = "button";
  button.className = "theme";
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
  dark.addEventListener("change", label);
  label();
  document.body.insertBefore(button, document.getElementById("main"));
})();

// Tables sort by a click on a column's head, or Enter and Space; equal rows keep their order.
document.querySelectorAll("table[data-sortable]").forEach((table) => {
  const heads = Array.from(table.querySelectorAll("th[data-sort]"));
  const body = table.tBodies[0];
  const key = (row, column) => row.cells[column].dataset.key;
  const compare = (numeric) => (numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b, undefined, { numeric: true }));
  const sort = (head, column) => {
    const numeric = head.dataset.sort === "number";
    const down = head.ariaSort ? head.ariaSort === "ascending" : numeric;
    const order = compare(numeric);
    const rows = Array.from(body.rows);
    rows.sort((a, b) => (down ? -1 : 1) * order(key(a, column), key(b, column)));
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head, column));
    head.append(button);
  });
});

// Tables that can be filtered get a field for names and a choice of rows; without JavaScript all rows are there.
document.querySelectorAll("table[data-filterable]").forEach((table) => {
  const rows = Array.from(table.tBodies[0].rows);
  const heads = Array.from(table.querySelectorAll("th[data-sort]"));
  const box = document.createElement("form");
  const name = document.createElement("input");
  const choice = document.createElement("select");
  const told = document.createElement("output");
  const labelled = (text, field) => {
    const label = document.createElement("label");
    label.append(text, field);
    return label;
  };
  const offer = (text, test) => {
    const option = document.createElement("option");
    option.textContent = text;
    choice.append(option);
    return test;
  };
  const has = (column, ...statuses) => (row) =>
    statuses.some((status) => row.cells[column].classList.contains("is-" + status));
  const any = (status) => (row) => Array.from(row.cells).some((cell) => cell.classList.contains("is-" + status));
  const tests = [
    offer({{ _("all") | tojson }}, () => true),
    offer({{ _("wait for a person") | tojson }}, any("review")),
    offer({{ _("undecided somewhere") | tojson }}, any("undecided")),
    ...heads.map((head, column) => head.classList.contains("tilted")
      ? offer({{ _("not passed:") | tojson }} + " " + head.textContent.trim(), has(column, "failed", "partial", "blocked", "undecided", "review"))
      : null).filter((test) => test),
  ];
  const show = () => {
    const wanted = name.value.trim().toLowerCase();
    const fits = tests[choice.selectedIndex];
    let shown = 0;
    rows.forEach((row) => {
      row.hidden = !(row.cells[0].dataset.key.toLowerCase().includes(wanted) && fits(row));
      shown += row.hidden ? 0 : 1;
    });
    told.textContent = {{ _("{shown} of {all} shown") | tojson }}.replace("{shown}", shown).replace("{all}", rows.length);
  };
  name.type = "search";
  name.autocomplete = "off";
  box.className = "filter";
  box.setAttribute("role", "search");
  box.addEventListener("submit", (event) => event.preventDefault());
  name.addEventListener("input", show);
  choice.addEventListener("change", show);
  box.append(labelled({{ _("Name") | tojson }}, name), labelled({{ _("Rows") | tojson }}, choice), told);
  table.closest(".scroll").before(box);
  show();
});
