//! Who is in which rooms, for each row of the benchmark.

/// The people and rooms of one row.
#[derive(Default)]
pub(crate) struct Plan {
    /// In the order of the load's connections.
    pub(crate) people: Vec<Person>,
    /// All rooms.
    pub(crate) rooms: Vec<Room>,
}

/// One person, who has one connection.
pub(crate) struct Person {
    /// The person's id.
    pub(crate) user: String,
    /// Places of the person's rooms in `Plan::rooms`.
    pub(crate) rooms: Vec<usize>,
}

/// One room.
pub(crate) struct Room {
    /// The room's id.
    pub(crate) id: String,
    /// `direct` or `group`.
    pub(crate) kind: &'static str,
    /// Ids of its members.
    pub(crate) members: Vec<String>,
}

impl Plan {
    /// One room with everybody in it.
    pub(crate) fn one_room(people: usize) -> Plan {
        let mut plan = Plan::with_people(people);
        plan.add_rooms("hall", "group", people);
        plan
    }

    /// A direct room for each two.
    pub(crate) fn pairs(people: usize) -> Plan {
        let mut plan = Plan::with_people(people);
        plan.add_rooms("pair", "direct", 2);
        plan
    }

    /// A direct room for each two, and a group for each twenty.
    pub(crate) fn pairs_and_groups(people: usize) -> Plan {
        let mut plan = Plan::pairs(people);
        plan.add_rooms("team", "group", 20);
        plan
    }

    fn with_people(people: usize) -> Plan {
        let person = |n| Person { user: format!("person-{n:05}"), rooms: Vec::new() };
        Plan { people: (0..people).map(person).collect(), rooms: Vec::new() }
    }

    fn add_rooms(&mut self, name: &str, kind: &'static str, size: usize) {
        for (n, people) in self.people.chunks_mut(size).enumerate() {
            let members = people.iter().map(|person| person.user.clone()).collect();
            let place = self.rooms.len();
            people.iter_mut().for_each(|person| person.rooms.push(place));
            self.rooms.push(Room { id: format!("{name}-{n:05}"), kind, members });
        }
    }

    /// Ids of a person's rooms, with spaces between.
    pub(crate) fn rooms_of(&self, person: usize) -> String {
        let ids = self.people[person].rooms.iter().map(|&room| self.rooms[room].id.as_str());
        ids.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_the_rooms_that_the_row_names() {
        let plan = Plan::pairs_and_groups(40);
        assert_eq!(plan.rooms.len(), 22);
        assert!(plan.people.iter().all(|person| person.rooms.len() == 2));
        assert_eq!(plan.rooms_of(21), "pair-00010 team-00001");
        assert_eq!(plan.rooms[10].members, ["person-00020", "person-00021"]);
        assert_eq!(Plan::one_room(1000).rooms[0].members.len(), 1000);
    }
}
