// Runs the statements of the arguments in DuckDB, and prints the last one's columns, and then each of its rows, as JSON.
const { DuckDBInstance } = require('@duckdb/node-api');

async function main(statements) {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  let answer;
  for (const sql of statements) answer = await connection.runAndReadAll(sql);
  console.log(JSON.stringify(answer.columnNames()));
  for (const row of answer.getRowsJson()) console.log(JSON.stringify(row));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exit(1);
});
