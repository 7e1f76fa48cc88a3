for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, i) => row.cells[i]?.dataset.sort ?? row.cells[i]?.textContent.trim() ?? "";
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [key(a, i), key(b, i)];
        const order = x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y);
        return up ? order : -order;
      });
      rows.forEach((row) => row.classList.remove("rung"));
      table.tBodies[0].append(...rows);
    });
  });
}
for (const controls of document.querySelectorAll(".controls")) {
  const rows = document.getElementById(controls.dataset.for).tBodies[0].rows;
  const selects = [...controls.querySelectorAll("select")];
  const told = controls.querySelector("output");
  const filter = () => {
    for (const row of rows) {
      row.hidden = selects.some((s) => s.value && row.dataset[s.dataset.filter] !== s.value);
    }
    const shown = [...rows].filter((row) => !row.hidden).length;
    if (told) told.textContent = `${shown} of ${rows.length} rows`;
  };
  selects.forEach((select) => select.addEventListener("change", filter));
  controls.hidden = false;
  filter();
}
