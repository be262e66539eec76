// What both pages show: messages by their ids, each once, in the order of their seqs.

const log = document.querySelector("#log");
export const room = log.dataset.room;
export const settings = log.dataset;

/** Puts a message where its seq belongs; one that is there already stays. */
export function show({ id, seq, name, body }) {
  if (log.querySelector(`[data-id="${CSS.escape(id)}"]`)) return;
  const line = document.createElement("li");
  const who = document.createElement("b");
  who.textContent = name;
  line.append(who, body);
  line.dataset.id = id;
  if (seq) line.dataset.seq = seq;
  const after = seq && [...log.children].find((one) => Number(one.dataset.seq) > seq);
  log.insertBefore(line, after || null);
}

/** Says how the connection is. */
export function state(text) {
  document.querySelector("#state").textContent = text;
}

/** Calls back with each text that is written. */
export function onWritten(send) {
  const field = document.querySelector("#body");
  document.querySelector("#write").addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) send(field.value);
    field.value = "";
  });
}
