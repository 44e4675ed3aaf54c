// Runs the statements of the arguments in ClickHouse, and prints the last one's columns, and then each of its rows, as
// JSON.
const { Session } = require('chdb');

const session = new Session();
let answer = '';
for (const sql of process.argv.slice(2)) answer = session.query(sql, 'JSONCompactEachRowWithNames');
process.stdout.write(answer);
session.cleanup();
