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
