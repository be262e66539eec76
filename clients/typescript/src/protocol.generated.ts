// Made by `cargo xtask schema` from the Rust types. Do not edit.

/**
 * A command was carried out, durably.
 */
export type Ack = { 
/**
 * The command's id.
 */
id?: number, 
/**
 * Where; for `create`, the room made or found.
 */
room: RoomId, 
/**
 * The life of the room's log.
 */
epoch: Epoch, 
/**
 * The position of the event that it made; 0 for a room made without members.
 */
seq: Seq, 
/**
 * That event's id, where there is one.
 */
message?: EventId, 
/**
 * When it was stored, ms since 1970.
 */
at: number, };

/**
 * Whether nobody is at this connection's screen. A person is away once all their connections are left; a new
 * connection is not.
 */
export type Away = { 
/**
 * The wanted state, never a toggle.
 */
on: boolean, };

/**
 * Public rooms.
 */
export type Browse = { 
/**
 * A part of the name.
 */
query?: string, 
/**
 * The cursor of the page before, as `after` of its `rooms`.
 */
after?: string, 
/**
 * At most so many; 100 where absent.
 */
limit?: number, };

/**
 * Coming or going.
 */
export type Change = "joined" | "left" | "removed";

/**
 * The client's own id of a command that changes something durable: 1 to 64 printable ASCII characters, a UUIDv7 in
 * our SDK. Sent again, it is answered with the first ack, for ever.
 */
export type Cid = string;

/**
 * A parsed command.
 */
export type Command = { "type": "hello" } & Hello | { "type": "resume" } & Resume | { "type": "rooms" } & Rooms | { "type": "send" } & Send | { "type": "edit" } & Edit | { "type": "delete" } & Delete | { "type": "create" } & Create | { "type": "join" } & Join | { "type": "leave" } & Leave | { "type": "invite" } & Invite | { "type": "remove" } & Remove | { "type": "rename" } & Rename | { "type": "members" } & Members | { "type": "people" } & People | { "type": "browse" } & Browse | { "type": "search" } & Search | { "type": "read" } & Read | { "type": "typing" } & Typing | { "type": "away" } & Away | { "type": "history" } & History | { "type": "ping" } & Ping | { "type": "pong" } & Pong;

/**
 * A new room; a direct room that exists is found again.
 */
export type Create = { 
/**
 * The client's id of this creation.
 */
cid: Cid, 
/**
 * How people come into it.
 */
kind: RoomKind, 
/**
 * What it is called; a public room needs a name.
 */
name?: string, 
/**
 * Who is in it beside oneself; exactly one for a direct room.
 */
members?: Array<UserId>, };

/**
 * Erases the text of a message.
 */
export type Delete = { 
/**
 * Where.
 */
room: RoomId, 
/**
 * The client's id of this deletion.
 */
cid: Cid, 
/**
 * Which message.
 */
message: EventId, };

/**
 * Another text for a message of one's own.
 */
export type Edit = { 
/**
 * Where.
 */
room: RoomId, 
/**
 * The client's id of this edit.
 */
cid: Cid, 
/**
 * Which message.
 */
message: EventId, 
/**
 * The text from here on.
 */
body: string, };

/**
 * One life of a room's log: random, and new whenever history was lost or rewritten. 16 hex digits on the wire.
 */
export type Epoch = string;

/**
 * Why something was refused. `docs/protocol.md` lists them for clients.
 */
export type ErrorCode = "bad_json" | "unknown_type" | "invalid" | "too_large" | "too_deep" | "hello_first" | "already_hello" | "token_refused" | "not_found" | "forbidden" | "cid_conflict" | "deleted" | "too_many_rooms" | "too_many_members" | "rate_limited" | "overloaded" | "unavailable" | "storage_full" | "draining" | "internal" | "unauthorized" | "bad_origin" | "name_taken" | "signup_closed" | "bad_credentials" | "erased" | "conflict" | "method_not_allowed" | "unsupported_media_type";

/**
 * An event of a room: a UUIDv7 (RFC 9562), whose end is random.
 */
export type EventId = string;

/**
 * A command was refused.
 */
export type Failure = { 
/**
 * The command's id, where it could be read.
 */
id?: number, 
/**
 * Why, as a stable word.
 */
code: ErrorCode, 
/**
 * Why, for people.
 */
message: string, 
/**
 * Whether the same command may succeed later.
 */
retry: boolean, 
/**
 * Not before so many ms.
 */
retry_after_ms?: number, };

/**
 * The server is about to close the connection.
 */
export type Goodbye = { 
/**
 * The close code that follows.
 */
code: number, 
/**
 * Whether to come back.
 */
reconnect: boolean, 
/**
 * Not before so many ms; spread over the clients.
 */
after_ms: number, };

/**
 * Must be first on a connection: who one is, and from where to go on.
 */
export type Hello = { 
/**
 * A token of the backend; a session cookie stands in for it, and a token wins over the cookie.
 */
token?: string, 
/**
 * The positions that the client has, at most `resume_rooms`.
 */
resume?: { [key in string]: Position }, 
/**
 * Whether the server shall send `ping` commands, as browsers need: they cannot see protocol pings.
 */
keepalive?: boolean, 
/**
 * A word for the list of one's sessions.
 */
device?: string, };

/**
 * A page of a room's log: before a seq, after one, or the newest.
 */
export type History = { 
/**
 * Which.
 */
room: RoomId, 
/**
 * Events below this seq, the nearest ones.
 */
before?: Seq, 
/**
 * Events above this seq, the nearest ones.
 */
after?: Seq, 
/**
 * At most so many; 50 where absent.
 */
limit?: number, };

/**
 * Messages found.
 */
export type Hits = { 
/**
 * The command's id.
 */
id?: number, 
/**
 * The messages as they are now, in the order asked for.
 */
hits: Array<event>, 
/**
 * Whether there may be more.
 */
more: boolean, 
/**
 * Where the next page goes on; absent where these are all.
 */
after?: string, 
/**
 * Whether the search ended before the page was full, since it had looked at 1,000 messages; `after` goes on.
 */
partial?: boolean, 
/**
 * Age of the oldest message that the index has not reached, in ms; 0: the answer is complete to the heads.
 */
behind_ms: number, 
/**
 * Of the rooms searched, those in which newer messages are stored than were searched, at most 100: the seq up to
 * which the answer is complete.
 */
upto?: { [key in string]: Seq }, 
/**
 * Names of those whom the hits mention.
 */
people: Array<Person>, };

/**
 * Brings people into a group room.
 */
export type Invite = { 
/**
 * Where.
 */
room: RoomId, 
/**
 * The client's id of this.
 */
cid: Cid, 
/**
 * Whom, at most `list`.
 */
users: Array<UserId>, };

/**
 * Enters a public room, or one that the token allows.
 */
export type Join = { 
/**
 * Which.
 */
room: RoomId, 
/**
 * The client's id of this.
 */
cid: Cid, };

/**
 * How often either side shows that it lives.
 */
export type Keepalive = { 
/**
 * A `ping` every so many ms.
 */
interval_ms: number, 
/**
 * Silence of so many ms means that the other end is gone.
 */
timeout_ms: number, };

/**
 * Goes out of a room.
 */
export type Leave = { 
/**
 * Which.
 */
room: RoomId, 
/**
 * The client's id of this.
 */
cid: Cid, };

/**
 * What a connection may do. The defaults are the documented ones.
 */
export type Limits = { 
/**
 * Bytes of a message's text: long enough for a page of a log, short enough to hold in every window.
 */
message_bytes: number, 
/**
 * Bytes of one command: a `hello` with 200 positions of long ids fits.
 */
frame_bytes: number, 
/**
 * Commands a second, sustained.
 */
commands_per_second: number, 
/**
 * Commands at once.
 */
burst: number, 
/**
 * Rooms a person can be in.
 */
rooms: number, 
/**
 * Rooms in one `hello` or `resume`.
 */
resume_rooms: number, 
/**
 * Events that a resume brings for one room; beyond it, `reset` `too_far`.
 */
resume_events: number, 
/**
 * Events that the resumes of one connection bring in all.
 */
resume_total: number, 
/**
 * Events in one `page`.
 */
history: number, 
/**
 * Up to so many members, a room's receipts and presence go to all of them.
 */
receipt_members: number, 
/**
 * People in one `create`, `invite` or `remove`, and ids in one `people`.
 */
list: number, 
/**
 * Characters of a room's or a person's name.
 */
name_chars: number, };

/**
 * Where and when a message was changed.
 */
export type Mark = { 
/**
 * The position of the event that did it.
 */
seq: Seq, 
/**
 * When, ms since 1970.
 */
at: number, };

/**
 * One member of a room.
 */
export type Member = { 
/**
 * Who.
 */
id: UserId, 
/**
 * The name to show.
 */
name: string, 
/**
 * What they may do.
 */
role: Role, 
/**
 * How far they have read; absent in rooms of more than `receipt_members` members.
 */
read?: Seq, 
/**
 * Whether they are here.
 */
presence?: Presence, 
/**
 * When they were last here, ms since 1970.
 */
seen?: number, };

/**
 * One person's coming or going.
 */
export type MemberChange = { 
/**
 * Who.
 */
user: UserId, 
/**
 * How.
 */
change: Change, 
/**
 * The role of one who joined.
 */
role?: Role, };

/**
 * Who is in a room.
 */
export type Members = { 
/**
 * Which.
 */
room: RoomId, 
/**
 * The last id of the page before.
 */
after?: UserId, 
/**
 * At most so many; 100 where absent.
 */
limit?: number, };

/**
 * A page of a room's members, by id.
 */
export type MembersPage = { 
/**
 * The command's id.
 */
id?: number, 
/**
 * The room.
 */
room: RoomId, 
/**
 * The members.
 */
members: Array<Member>, 
/**
 * Whether there are more.
 */
more: boolean, 
/**
 * How many it has in all.
 */
total: number, };

/**
 * What a backend tells a room's people, or one person; not stored.
 */
export type Notice = { 
/**
 * To whose people, where it is for a room.
 */
room?: RoomId, 
/**
 * To whom, where it is for one person.
 */
user?: UserId, 
/**
 * What it is, as the backend calls it.
 */
name: string, 
/**
 * What the backend says.
 */
data: unknown, };

/**
 * A piece of a room's log.
 */
export type Page = { 
/**
 * The command's id.
 */
id?: number, 
/**
 * The room.
 */
room: RoomId, 
/**
 * The life of its log.
 */
epoch: Epoch, 
/**
 * The first event that one may see.
 */
first: Seq, 
/**
 * The newest event.
 */
head: Seq, 
/**
 * Events in ascending order, messages as they are now.
 */
events: Array<event>, 
/**
 * Whether there are more in the direction asked for.
 */
more: boolean, 
/**
 * Whether there was more before `first`, which is not kept any more.
 */
pruned?: boolean, 
/**
 * Names of those whom the events mention.
 */
people: Array<Person>, };

/**
 * People by ids (those one shares a room with) or by name, as the server's directory allows.
 */
export type People = { 
/**
 * Whose names.
 */
ids?: Array<UserId>, 
/**
 * The beginning of a name.
 */
query?: string, 
/**
 * At most so many; 20 where absent.
 */
limit?: number, };

/**
 * People asked for.
 */
export type PeopleList = { 
/**
 * The command's id.
 */
id?: number, 
/**
 * Those found.
 */
people: Array<Person>, };

/**
 * A person's id with the name that people read.
 */
export type Person = { 
/**
 * Who.
 */
id: UserId, 
/**
 * The name to show; never decides who somebody is.
 */
name: string, 
/**
 * Whether they are here, where the answer tells it.
 */
presence?: Presence, };

/**
 * Is anybody there?
 */
export type Ping = Record<symbol, never>;

/**
 * The answer to the server's `ping`.
 */
export type Pong = Record<symbol, never>;

/**
 * Where in a room's log a client stands: everything up to and with `seq` is known to it.
 */
export type Position = { 
/**
 * The life of the log that the seq belongs to.
 */
epoch: Epoch, 
/**
 * The last event that the client has.
 */
seq: Seq, 
/**
 * The last 8 characters of that event's id; absent where the client has no event yet.
 */
check?: string, };

/**
 * Whether a person is here.
 */
export type Presence = "online" | "away" | "offline";

/**
 * Somebody came, went idle or went.
 */
export type PresenceChange = { 
/**
 * Who.
 */
user: UserId, 
/**
 * How they are now.
 */
state: Presence, 
/**
 * Since when, ms since 1970.
 */
at: number, };

/**
 * How far one has read; only grows.
 */
export type Read = { 
/**
 * Where.
 */
room: RoomId, 
/**
 * Everything up to here.
 */
seq: Seq, };

/**
 * Somebody has read up to a position.
 */
export type Receipt = { 
/**
 * Where.
 */
room: RoomId, 
/**
 * Who.
 */
user: UserId, 
/**
 * Up to here.
 */
seq: Seq, };

/**
 * Takes people out of a room.
 */
export type Remove = { 
/**
 * Where.
 */
room: RoomId, 
/**
 * The client's id of this.
 */
cid: Cid, 
/**
 * Whom, at most `list`.
 */
users: Array<UserId>, };

/**
 * Another name for a room.
 */
export type Rename = { 
/**
 * Which.
 */
room: RoomId, 
/**
 * The client's id of this.
 */
cid: Cid, 
/**
 * The name from here on.
 */
name: string, };

/**
 * A frame of the server that is no event.
 */
export type Reply = { "type": "welcome" } & Welcome | { "type": "ack" } & Ack | { "type": "error" } & Failure | { "type": "page" } & Page | { "type": "rooms" } & RoomsPage | { "type": "members" } & MembersPage | { "type": "people" } & PeopleList | { "type": "hits" } & Hits | { "type": "room" } & RoomChange | { "type": "receipt" } & Receipt | { "type": "typing" } & TypingNow | { "type": "presence" } & PresenceChange | { "type": "notice" } & Notice | { "type": "reset" } & Reset | { "type": "goodbye" } & Goodbye | { "type": "pong", 
/**
 * The command's id.
 */
id?: number, } | { "type": "ping", };

/**
 * The client's position in a room cannot be gone on from: forget it and go on from `head`.
 */
export type Reset = { 
/**
 * Where.
 */
room: RoomId, 
/**
 * Why.
 */
reason: ResetReason, 
/**
 * The present life of the log; absent where the room is gone.
 */
epoch?: Epoch, 
/**
 * The first event that one may see.
 */
first?: Seq, 
/**
 * The newest event; live events follow right after it.
 */
head?: Seq, };

/**
 * Why a position cannot be gone on from.
 */
export type ResetReason = "epoch" | "future" | "pruned" | "too_far" | "gone";

/**
 * Positions of further rooms.
 */
export type Resume = { 
/**
 * The positions that the client has, at most `resume_rooms`.
 */
positions: { [key in string]: Position }, };

/**
 * What a member may do beyond talking.
 */
export type Role = "owner" | "admin" | "member";

/**
 * One's place in a room changed.
 */
export type RoomChange = { 
/**
 * Names of those whom it mentions.
 */
people?: Array<Person>, } & ({ "change": "added", 
/**
 * The room.
 */
room: RoomInfo, } | { "change": "gone", 
/**
 * The room.
 */
id: RoomId, });

/**
 * How far back a member sees.
 */
export type RoomHistory = "all" | "joined";

/**
 * A room: 1 to 64 of `A-Z a-z 0-9 _ . -`.
 */
export type RoomId = string;

/**
 * One room as one person sees it.
 */
export type RoomInfo = { 
/**
 * The room.
 */
id: RoomId, 
/**
 * How people come into it.
 */
kind: RoomKind, 
/**
 * What it is called; absent for direct rooms and where nobody named it.
 */
name?: string, 
/**
 * The present life of its log.
 */
epoch: Epoch, 
/**
 * The first event that this person may see.
 */
first: Seq, 
/**
 * The newest event; 0 where there is none.
 */
head: Seq, 
/**
 * Everything up to here is read by this person.
 */
read: Seq, 
/**
 * Messages of others above `read`.
 */
unread: number, 
/**
 * Of these, how many name this person.
 */
mentions: number, 
/**
 * How many members it has.
 */
members: number, 
/**
 * The person's role; absent where they are not a member (a room found by `browse`).
 */
role?: Role, 
/**
 * In a direct room, the other person.
 */
peer?: UserId, 
/**
 * The newest message that this person may see, as it is now.
 */
last?: event, 
/**
 * When something last happened in it, ms since 1970.
 */
at: number, 
/**
 * How far back members see.
 */
history: RoomHistory, };

/**
 * How people come into a room.
 */
export type RoomKind = "direct" | "group" | "public";

/**
 * The next page of one's own rooms.
 */
export type Rooms = { 
/**
 * The cursor of the page before, as `after` of its `rooms`.
 */
after?: string, 
/**
 * At most so many; 100 where absent.
 */
limit?: number, };

/**
 * A page of one's rooms or of public rooms.
 */
export type RoomsPage = { 
/**
 * The command's id.
 */
id?: number, 
/**
 * The rooms.
 */
rooms: Array<RoomInfo>, 
/**
 * Whether there are more.
 */
more: boolean, 
/**
 * Where the next page goes on.
 */
after?: string, 
/**
 * Names of those whom the rooms mention.
 */
people: Array<Person>, };

/**
 * Messages by their words, their authors, rooms and times.
 */
export type Search = { 
/**
 * Words, all of which must occur, `"quoted phrases"`, `from:`, `in:`, `before:` and `after:`; at most 1,024 bytes.
 */
query: string, 
/**
 * Only there.
 */
room?: RoomId, 
/**
 * In which order; the newest first where absent.
 */
sort?: SearchSort, 
/**
 * The cursor of the page before, as `after` of its `hits`.
 */
after?: string, 
/**
 * At most so many; 50 where absent, 100 at most.
 */
limit?: number, };

/**
 * The order of the messages that a search finds.
 */
export type SearchSort = "newest" | "best";

/**
 * A message.
 */
export type Send = { 
/**
 * Where to.
 */
room: RoomId, 
/**
 * The client's id of this send.
 */
cid: Cid, 
/**
 * The text, 1 to `message_bytes` bytes.
 */
body: string, 
/**
 * The message that it answers, of the same room.
 */
reply_to?: EventId, };

/**
 * The number of an event in its room's log: 1, 2, 3, … without holes; 0 stands before the first.
 */
export type Seq = number;

/**
 * What answers.
 */
export type ServerInfo = { 
/**
 * The program.
 */
name: string, 
/**
 * Its version.
 */
version: string, 
/**
 * Its parts that do not work as they should now, while it goes on; absent: none.
 */
degraded?: Array<ServerPart>, };

/**
 * A part of a server.
 */
export type ServerPart = "layer" | "store";

/**
 * Sums over a person's rooms.
 */
export type Totals = { 
/**
 * Rooms.
 */
rooms: number, 
/**
 * Unread messages.
 */
unread: number, 
/**
 * Unread mentions.
 */
mentions: number, };

/**
 * One is typing; repeated every few seconds while it lasts.
 */
export type Typing = { 
/**
 * Where.
 */
room: RoomId, };

/**
 * Who is typing in a room now.
 */
export type TypingNow = { 
/**
 * Where.
 */
room: RoomId, 
/**
 * At most three of them.
 */
users: Array<UserId>, 
/**
 * How many more.
 */
more: number, };

/**
 * A person: 1 to 128 bytes of printable UTF-8, given by the backend or, for a built-in account, generated (`u_…`).
 */
export type UserId = string;

/**
 * The answer to `hello`.
 */
export type Welcome = { 
/**
 * This connection, as the server's log names it.
 */
connection: string, 
/**
 * Who one is.
 */
user: Person, 
/**
 * The server's clock, ms since 1970.
 */
time: number, 
/**
 * What answers.
 */
server: ServerInfo, 
/**
 * How often either side shows that it lives.
 */
keepalive: Keepalive, 
/**
 * What the connection may do.
 */
limits: Limits, 
/**
 * Sums over all of one's rooms, not only those named here.
 */
totals: Totals, 
/**
 * The rooms with the latest activity, at most 100.
 */
rooms: Array<RoomInfo>, 
/**
 * Where the next page of `rooms` goes on; absent where these are all.
 */
after?: string, 
/**
 * Names of those whom the rooms mention.
 */
people: Array<Person>, };

/**
 * One entry of a room's log. Kind, id, sender, cid and time are fixed for ever; a message is told as it is now.
 */
export type event = { "type": "event", 
/**
 * The room.
 */
room: RoomId, 
/**
 * The life of the room's log.
 */
epoch: Epoch, 
/**
 * The number in that log.
 */
seq: Seq, 
/**
 * Its own id.
 */
id: EventId, 
/**
 * Who did it.
 */
from: UserId, 
/**
 * The sender's own id of the command.
 */
cid?: Cid, 
/**
 * When it was stored, ms since 1970. Says nothing about order: `seq` does.
 */
at: number, 
/**
 * Names of the people it mentions, where a client may not know them yet.
 */
people?: Array<Person>, } & ({ "kind": "message", 
/**
 * The text, verbatim; empty once deleted.
 */
body: string, 
/**
 * The message that it answers.
 */
reply_to?: EventId, 
/**
 * The running number of messages in its room: what makes unread counts a subtraction.
 */
n: number, 
/**
 * The last edit, if any.
 */
edited?: Mark, 
/**
 * The deletion, if any.
 */
deleted?: Mark, } | { "kind": "edit", 
/**
 * The message.
 */
message: EventId, 
/**
 * Its position.
 */
of: Seq, 
/**
 * The text from here on; empty once the message is deleted.
 */
body: string, } | { "kind": "delete", 
/**
 * The message.
 */
message: EventId, 
/**
 * Its position.
 */
of: Seq, } | { "kind": "member", 
/**
 * Who, and how.
 */
changes: Array<MemberChange>, } | { "kind": "rename", 
/**
 * The name from here on.
 */
name: string, });

/** What a server sends. */
export type ServerFrame = Event | Reply;
