import { useConnection, usePerson, useRoom, useRoomInfo, useTyping } from "@moorline/client/react";

/** One room: what was said, who types, and a field for what one says oneself. */
export function Chat({ id }) {
  const { timeline, room } = useRoom(id);
  const title = useRoomInfo(id)?.title ?? id;
  const send = (event) => {
    event.preventDefault();
    const field = event.currentTarget.elements.body;
    if (field.value.trim()) room.send(field.value);
    field.value = "";
  };
  return (
    <>
      <h1>{title}</h1>
      <Connection />
      {timeline.hasMoreBefore && <button onClick={() => room.loadBefore()}>Earlier messages</button>}
      <ol>
        {timeline.items.map((item) => (
          <Row key={item.key} item={item} room={room} />
        ))}
      </ol>
      <Typists id={id} />
      <form onSubmit={send}>
        <input name="body" aria-label={`Message to ${title}`} autoComplete="off" onChange={() => room.typing()} />
        <button>Send</button>
      </form>
    </>
  );
}

/** Drawn again only when its own item or name changes, since an item that did not change is the same object. */
function Row({ item, room }) {
  if (item.type === "gap") return <li><button onClick={() => room.fillGap(item.key)}>Load what lies between</button></li>;
  if (item.type !== "message") return null;
  return (
    <li data-state={item.state}>
      <b><Name id={item.from} /></b> {item.deleted ? <i>deleted</i> : item.body} <small>{item.state}</small>
      {item.state === "failed" && <button onClick={() => room.retry(item.cid)}>{item.error.message} Retry</button>}
    </li>
  );
}

function Name({ id }) {
  return usePerson(id).name;
}

function Typists({ id }) {
  const { users } = useTyping(id);
  return <p role="status">{users.length > 0 && <>{users.map((user) => <Name key={user} id={user} />)} is typing…</>}</p>;
}

function Connection() {
  const { state, queued } = useConnection();
  if (state.is === "live") return <small role="status">connected</small>;
  return <small role="status">{state.is}{queued > 0 && `, ${queued} waiting; they are kept`}</small>;
}
