//! People, built-in accounts, sessions.

use moorline_protocol::UserId;
use moorline_store::{Error, NewAccount, NewSession, SYSTEM_USER, SessionId, Store};

use super::stage::{Stage, user};

const DAY: u64 = 86_400_000;

fn account(login: &str) -> NewAccount {
    let (login, name) = (login.to_owned(), "Ann".to_owned());
    NewAccount { login, name, password_hash: "$argon2id$x".to_owned(), at_ms: 5 }
}

async fn sign_in(store: &Store, who: &UserId, token: u8, at_ms: u64) -> SessionId {
    let session = NewSession {
        token_hash: [token; 32],
        user: who.clone(),
        device: Some(format!("device {token}")),
        at_ms,
        expires_ms: at_ms + DAY,
    };
    store.add_session(session).await.unwrap()
}

#[tokio::test]
async fn a_person_is_made_once_and_renamed_after() {
    let stage = Stage::new();
    let put = |name: &str| stage.store.put_user(user("ann"), name.to_owned(), 1);
    assert!(put("Ann").await.unwrap());
    assert!(!put("Ann").await.unwrap());
    assert!(put("Anna").await.unwrap());
    let ann = stage.store.user(&user("ann")).await.unwrap().unwrap();
    assert_eq!((ann.name.as_str(), ann.removed, ann.has_account), ("Anna", false, false));
    assert_eq!(stage.store.user(&user("bob")).await.unwrap(), None);
}

#[tokio::test]
async fn nobody_becomes_the_system() {
    let stage = Stage::new();
    let taken = stage.store.put_user(user(SYSTEM_USER), "Me".to_owned(), 1).await;
    assert_eq!(taken, Err(Error::Conflict));
}

#[tokio::test]
async fn a_sign_in_name_belongs_to_one_account_whatever_its_case() {
    let stage = Stage::new();
    let id = stage.store.create_account(account("Ann")).await.unwrap();
    assert!(id.as_str().starts_with("u_"));
    assert_eq!(stage.store.create_account(account("aNN")).await, Err(Error::NameTaken));
    let found = stage.store.account_by_login("ANN").await.unwrap().unwrap();
    assert_eq!((found.id, found.password_hash.as_str()), (id.clone(), "$argon2id$x"));
    assert_eq!(stage.store.account_by_login("bob").await.unwrap(), None);
    assert!(stage.store.user(&id).await.unwrap().unwrap().has_account);
}

#[tokio::test]
async fn two_who_want_one_name_at_once_do_not_both_get_it() {
    let stage = Stage::new();
    let replies: Vec<_> = (0..20).map(|_| stage.store.create_account(account("ann"))).collect();
    let mut made = 0;
    for reply in replies {
        match reply.await {
            Ok(_) => made += 1,
            Err(error) => assert_eq!(error, Error::NameTaken),
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a_session_is_good_until_it_expires() {
    let stage = Stage::with(&["ann"]).await;
    let id = sign_in(&stage.store, &user("ann"), 1, 1_000).await;
    let row = stage.store.session([1; 32], 1_001).await.unwrap().unwrap();
    assert_eq!((row.id, row.user, row.name.as_str()), (id, user("ann"), "ANN"));
    assert_eq!(row.device.as_deref(), Some("device 1"));
    assert_eq!(stage.store.session([1; 32], 1_000 + DAY).await.unwrap(), None);
    assert_eq!(stage.store.session([2; 32], 1_001).await.unwrap(), None);
}

#[tokio::test]
async fn a_revoked_session_is_gone_and_told() {
    let stage = Stage::with(&["ann", "bob"]).await;
    let one = sign_in(&stage.store, &user("ann"), 1, 1_000).await;
    let two = sign_in(&stage.store, &user("ann"), 2, 2_000).await;
    // Another person's session is not theirs to end.
    assert!(!stage.store.revoke_session(user("bob"), one.clone()).await.unwrap());
    assert!(stage.store.revoke_session(user("ann"), one.clone()).await.unwrap());
    assert!(!stage.store.revoke_session(user("ann"), one.clone()).await.unwrap());
    assert_eq!(stage.store.session([1; 32], 3_000).await.unwrap(), None);
    let left = stage.store.sessions(&user("ann"), 3_000).await.unwrap();
    assert_eq!(left.iter().map(|row| &row.id).collect::<Vec<_>>(), [&two]);
    let told = stage.told.lock();
    assert_eq!((told.revoked.len(), &told.revoked[0].session), (1, &Some(one)));
}

#[tokio::test]
async fn revoking_all_sessions_refuses_older_tokens_too() {
    let stage = Stage::with(&["ann"]).await;
    sign_in(&stage.store, &user("ann"), 1, 1_000).await;
    sign_in(&stage.store, &user("ann"), 2, 2_000).await;
    assert_eq!(stage.store.revoke_sessions(user("ann"), 5_000).await.unwrap(), 2);
    assert_eq!(stage.store.revoke_sessions(user("ann"), 4_000).await.unwrap(), 0);
    assert_eq!(stage.store.user(&user("ann")).await.unwrap().unwrap().not_before_ms, 5_000);
    assert!(stage.store.sessions(&user("ann"), 2_500).await.unwrap().is_empty());
    assert_eq!(stage.told.lock().revoked[0].session, None);
    assert_eq!(stage.store.revoke_sessions(user("eve"), 1).await, Err(Error::NotFound));
}

#[tokio::test]
async fn when_somebody_was_last_seen_only_grows() {
    let stage = Stage::with(&["ann"]).await;
    stage.store.seen(&user("ann"), 7_000);
    stage.store.seen(&user("ann"), 6_000);
    let stage = stage.reopen().await;
    assert_eq!(stage.store.user(&user("ann")).await.unwrap().unwrap().seen_ms, 7_000);
}

#[tokio::test]
async fn people_are_found_by_the_beginning_of_a_word_of_their_name() {
    let stage = Stage::new();
    for (id, name) in [("a", "Ann Fisher"), ("b", "Bob Öztürk"), ("c", "Fishy Carl")] {
        stage.store.put_user(user(id), name.to_owned(), 1).await.unwrap();
    }
    let find = async |query: &str| {
        let people = stage.store.people_by_name(query, None, 10).await.unwrap();
        people.into_iter().map(|person| person.name).collect::<Vec<_>>()
    };
    assert_eq!(find("fish").await, ["Ann Fisher", "Fishy Carl"]);
    assert_eq!(find("öz").await, ["Bob Öztürk"]);
    assert_eq!(find("isher").await, [""; 0]);
    assert_eq!(find("moorline").await, [""; 0]);
    assert_eq!(find("").await.len(), 3);
}

#[tokio::test]
async fn people_are_known_to_those_who_share_a_room() {
    let stage = Stage::with_group("r", &["ann", "bob"]).await;
    stage.store.put_user(user("eve"), "Eve".to_owned(), 1).await.unwrap();
    let everybody = [user("ann"), user("bob"), user("eve"), user("nobody")];
    let shares = stage.store.shares_room(&user("ann"), &everybody).await.unwrap();
    assert_eq!(shares, [user("ann"), user("bob")]);
    let people = stage.store.people_by_ids(&user("eve"), &everybody).await.unwrap();
    assert_eq!(people.iter().map(|person| &person.id).collect::<Vec<_>>(), [&user("eve")]);
    let found = stage.store.people_by_name("b", Some(&user("ann")), 10).await.unwrap();
    assert_eq!(found[0].id, user("bob"));
    assert!(stage.store.people_by_name("b", Some(&user("eve")), 10).await.unwrap().is_empty());
    assert_eq!(stage.store.names(&everybody).await.unwrap().len(), 3);
}
