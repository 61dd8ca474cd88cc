// A CSV file as a table, and a query as SQL over its own names. No text of a stranger stands outside quotation marks.

const NUMBER = /^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$/, DELIMITERS = [",", ";", "\t", "|"], MOST_COLUMNS = 100;

/** Header and rows of a text. Throws where it is no table. */
export function parseCsv(text) {
  const content = text.replace(/^\ufeff/, ""), line = content.split(/\r?\n/, 1)[0];
  const count = (mark) => line.split(mark).length;
  const delimiter = DELIMITERS.reduce((best, mark) => (count(mark) > count(best) ? mark : best));
  const rows = [];
  let row = [], cell = "", quoted = false;
  const close = () => { row.push(cell); cell = ""; };
  for (let i = 0; i < content.length; i++) {
    const c = content[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (content[i + 1] === '"') { cell += '"'; i++; } else quoted = false;
    } else if (c === '"' && !cell) quoted = true;
    else if (c === delimiter) close();
    else if (c === "\n") { close(); rows.push(row); row = []; } else if (c !== "\r") cell += c;
  }
  if (quoted) throw new Error("a quotation mark in the file is never closed");
  if (cell || row.length) { close(); rows.push(row); }
  const [header, ...body] = rows.filter((each) => each.some((one) => one.trim()));
  if (!header || !body.length) throw new Error("the file needs a line of names and at least one row");
  if (header.length > MOST_COLUMNS) throw new Error(`the file has ${header.length} columns, at most ${MOST_COLUMNS} are taken`);
  return { header: named(header), rows: body.map((each) => header.map((_, i) => each[i] ?? "")) };
}

/** Columns told apart by a number where two have one name. */
export function named(header) {
  const taken = new Map();
  return header.map((column) => {
    const name = column.trim(), key = name.toLowerCase(), n = (taken.get(key) ?? 0) + 1;
    taken.set(key, n);
    return n === 1 ? name : `${name} ${n}`;
  });
}

export const number = (cell) => (NUMBER.test(cell.trim()) ? Number(cell.trim().replaceAll(",", "")) : null);

/** What SQLite is given: a numeric column holds numbers, an empty cell nothing. */
export function stored({ header, rows }) {
  const filled = header.map((_, i) => rows.map((row) => row[i]).filter((cell) => cell.trim()));
  const numeric = filled.map((cells) => cells.length > 0 && cells.every((cell) => number(cell) !== null));
  const value = (cell, i) => (cell.trim() ? (numeric[i] ? number(cell) : cell) : null);
  return { numeric, rows: rows.map((row) => row.map(value)) };
}

export const identifier = (name) => `"${name.replaceAll('"', '""')}"`;
const text = (value) => `'${value.replaceAll("'", "''")}'`;

/** The query as the reader sees it, over plain names. */
export function shownSql({ aggregate, column, conditions }, table) {
  const where = conditions.map(([name, sign, value]) => `${name} ${sign} ${text(value)}`).join(" AND ");
  return `SELECT ${aggregate ? `${aggregate}(${column})` : column} FROM ${table}${where && ` WHERE ${where}`}`;
}

/** The query as it is run: over the names of the table, equal texts in any case. */
export function realSql({ aggregate, column, conditions }, table, real) {
  const name = (plain) => identifier(real[plain]);
  const where = conditions.map(([plain, sign, value]) =>
    `${name(plain)} ${sign} ${text(value)}${sign === "=" ? " COLLATE NOCASE" : ""}`).join(" AND ");
  return `SELECT ${aggregate ? `${aggregate}(${name(column)})` : name(column)} FROM ${identifier(table)}${where && ` WHERE ${where}`}`;
}
