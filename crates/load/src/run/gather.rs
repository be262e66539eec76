//! The beginning of a run: everybody connects, rooms are made by their owners, and each window has something to say.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::Plan;
use super::window::{Own, Window};
use crate::client::Client;
use crate::recorder::Recorder;

/// A room is made in this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Handshakes at once.
const ARRIVALS: usize = 16;
/// People that one command may name.
const TOGETHER: usize = 100;

/// A room, and who made it and sees all of it.
pub(super) struct Room {
    pub(super) id: String,
    pub(super) owner: String,
}

/// Everybody, connected, and their rooms.
pub(super) struct Gathered {
    pub(super) windows: Vec<Window>,
    pub(super) rooms: Vec<Room>,
}

/// Connects everybody and makes the rooms.
pub(super) async fn gather(plan: &Plan, recorder: &Recorder) -> Result<Gathered> {
    ensure!(plan.people.len() >= plan.rooms.max(2), "there are more rooms than people");
    let mut chance = StdRng::seed_from_u64(plan.seed);
    let mut clients = clients(plan, recorder, &mut chance);
    let arriving = clients.iter_mut().map(Client::connect);
    let arrived = stream::iter(arriving).buffer_unordered(ARRIVALS).try_collect::<Vec<_>>();
    arrived.await.context("not everybody could connect")?;
    let mut rooms = Vec::new();
    let mut rooms_of = vec![Vec::new(); plan.people.len()];
    let mut owns: Vec<Option<Own>> = plan.people.iter().map(|_| None).collect();
    for room in 0..plan.rooms {
        let members = members(room, plan);
        let ids: Vec<&str> = members.iter().map(|member| plan.people[*member].as_str()).collect();
        let id = make(&mut clients[room * plan.tabs], room, &ids[1..]).await?;
        members.iter().for_each(|member| rooms_of[*member].push(id.clone()));
        if let Some(guest) = ids.last().filter(|_| plan.is_lively && ids.len() > 2) {
            owns[room] = Some(Own { room: id.clone(), guest: (*guest).to_owned(), is_in: true });
        }
        rooms.push(Room { id, owner: ids[0].to_owned() });
    }
    let nodes: Arc<[_]> = plan.nodes.clone().into();
    let transports: Arc<[_]> = plan.transports.clone().into();
    let mut windows = Vec::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let person = number / plan.tabs;
        // Who never sends proves nothing.
        client.queue(json!({"type":"send","room":rooms_of[person][0],"body":"here I am"}));
        let own = owns[person].take_if(|_| number % plan.tabs == 0);
        let chance = StdRng::seed_from_u64(chance.random());
        let rooms = rooms_of[person].clone();
        let mut window = Window::new(client, rooms, own, chance);
        (window.bytes, window.is_lively) = (plan.bytes, plan.is_lively);
        window.goes_to(&nodes, number % nodes.len(), &transports);
        windows.push(window);
    }
    Ok(Gathered { windows, rooms })
}

fn clients(plan: &Plan, recorder: &Recorder, chance: &mut StdRng) -> Vec<Client> {
    let windows = plan.people.iter().flat_map(|user| (0..plan.tabs).map(move |tab| (user, tab)));
    let mut clients = Vec::new();
    for (number, (user, tab)) in windows.enumerate() {
        let name = if plan.tabs == 1 { user.clone() } else { format!("{user}/{tab}") };
        let node = plan.nodes[number % plan.nodes.len()].clone();
        let mut client = Client::new(&name, user, node, &plan.tokens, recorder);
        client.connect_over(plan.transports[chance.random_range(0..plan.transports.len())]);
        clients.push(client);
    }
    clients
}

/// Everybody is in two rooms, where there are two.
fn rooms_of(person: usize, rooms: usize) -> [usize; 2] {
    [person % rooms, (person + 1 + person / rooms) % rooms]
}

/// Who is in a room, its owner first.
fn members(room: usize, plan: &Plan) -> Vec<usize> {
    let is_in = |person: &usize| rooms_of(*person, plan.rooms).contains(&room);
    let others = (0..plan.people.len()).filter(is_in).filter(|person| *person != room);
    std::iter::once(room).chain(others).collect()
}

/// Makes a room with these members, and gives its id.
async fn make(owner: &mut Client, room: usize, members: &[&str]) -> Result<String> {
    let (first, others) = members.split_at(members.len().min(TOGETHER));
    let create =
        json!({"type":"create","kind":"group","name":format!("Room {room}"),"members":first});
    answered(owner, create).await?;
    let id = owner.last_room.clone().context("the ack of create names no room")?;
    for more in others.chunks(TOGETHER) {
        answered(owner, json!({"type":"invite","room":id,"users":more})).await?;
    }
    Ok(id)
}

async fn answered(owner: &mut Client, command: Value) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    owner.queue(command);
    while owner.unanswered() > 0 {
        ensure!(owner.step().await? && Instant::now() < deadline, "no room was made");
    }
    let refused = owner.refused.keys().next();
    ensure!(refused.is_none(), "no room was made: {}", refused.map_or("", String::as_str));
    Ok(())
}
