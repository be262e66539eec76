//! Guests: connections that carry nothing of the chat, such as a relay's, but end with what their person showed.
//!
//! They count for no presence, are in no feed and are told nothing; a sign-out, a revoked token or an erasure closes them
//! as it closes any connection of the person, whichever node it came from.

use std::collections::HashMap;
use std::sync::Arc;

use moorline_protocol::UserId;
use parking_lot::Mutex;

use super::{Hub, sign_out};
use crate::Chat;
use crate::listener::Listener;

/// The guests of this node, by person.
#[derive(Default)]
pub(super) struct Guests(Mutex<HashMap<UserId, Vec<Arc<Listener>>>>);

impl Guests {
    pub(super) fn users(&self) -> Vec<UserId> {
        self.0.lock().keys().cloned().collect()
    }
}

impl Chat {
    /// A guest's connection is open. `revocations` is the hub's number from before its proof was looked at: if anything
    /// was revoked since, the proof is looked at again, in the background.
    pub fn guest_came(&self, guest: &Arc<Listener>, revocations: u64) {
        let mut guests = self.hub.guests.0.lock();
        guests.entry(guest.user().clone()).or_default().push(Arc::clone(guest));
        drop(guests);
        if self.hub.revocations() != revocations {
            let (hub, guest) = (Arc::clone(&self.hub), Arc::clone(guest));
            tokio::spawn(async move { hub.look_again(&guest).await });
        }
    }
}

impl Hub {
    /// Closes a guest whose proof is not good any more, or that nobody can vouch for.
    async fn look_again(&self, guest: &Arc<Listener>) {
        let guests = std::slice::from_ref(guest);
        if let Err(error) = self.sign_out_unproven(guest.user(), guests).await {
            let connection = format_args!("{:016x}", guest.connection());
            tracing::warn!(%connection, %error, "could not look at a proof again, the connection is closed");
            sign_out(guest);
        }
    }

    /// A guest's connection is over.
    pub fn guest_went(&self, guest: &Arc<Listener>) {
        let mut guests = self.guests.0.lock();
        let Some(of_person) = guests.get_mut(guest.user()) else { return };
        of_person.retain(|other| !Arc::ptr_eq(other, guest));
        if of_person.is_empty() {
            guests.remove(guest.user());
        }
    }

    /// All connections of a person that a revocation ends.
    pub(super) fn all_of(&self, user: &UserId) -> Vec<Arc<Listener>> {
        let mut all = self.people.lock().listeners(user).to_vec();
        all.extend(self.guests.0.lock().get(user).into_iter().flatten().cloned());
        all
    }
}
