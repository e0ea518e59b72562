//! Users at work: what passes, what is refused, and what becomes of connections when users change.

use crate::Then;
use crate::tests::World;

fn world(rules: &str) -> (World, crate::ClientId, crate::ClientId) {
    let mut world = World::new(&[]);
    let (admin, user) = (world.client(), world.client());
    assert_eq!(world.send(admin, &format!("ACL SETUSER u on >p {rules}")), "+OK");
    assert_eq!(world.send(user, "AUTH u p"), "+OK");
    (world, admin, user)
}

#[test]
fn commands_keys_and_channels_are_judged() {
    let (mut world, admin, user) = world("+get +set +publish +config|get %R~r* ~b* &c*");
    assert_eq!(world.send(user, "GET r1\nSET b1 x\nPUBLISH c x\nCONFIG GET hz"), "$-1 +OK :0 *2 $2 hz $2 10");
    assert_eq!(
        world.send(user, "SET r1 x\nGET x\nDEL b1\nPUBLISH x x\nCONFIG SET hz 10"),
        "-NOPERM No permissions to access a key -NOPERM No permissions to access a key \
         -NOPERM User u has no permissions to run the 'del' command -NOPERM No permissions to access a channel \
         -NOPERM User u has no permissions to run the 'config|set' command"
    );
    let log = world.send(admin, "ACL LOG");
    assert!(log.starts_with(
        "*5 *20 $5 count :1 $6 reason $7 command $7 context $8 toplevel $6 object $10 config|set"
    ));
    assert_eq!(
        world.send(admin, "ACL DRYRUN u SET r1 x"),
        "$48 User u has no permissions to access the 'r1' key"
    );
}

#[test]
fn selectors_add_up() {
    let (mut world, _, user) = world("+get ~a (+set ~b) (%W~c +set)");
    assert_eq!(world.send(user, "GET a\nSET b 1\nSET c 1"), "$-1 +OK +OK");
    assert_eq!(
        world.send(user, "SET a 1\nGET b\nSET c 1 GET"),
        "-NOPERM No permissions to access a key -NOPERM No permissions to access a key \
         -NOPERM No permissions to access a key"
    );
}

#[test]
fn a_queued_command_is_judged_again_by_exec() {
    let (mut world, admin, user) = world("+@all ~*");
    assert_eq!(world.send(user, "MULTI\nSET k v\nGET k"), "+OK +QUEUED +QUEUED");
    world.send(admin, "ACL SETUSER u -set");
    assert_eq!(
        world.send(user, "EXEC"),
        "*2 -NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
         command is no longer allowed for the following reason: no permission to execute the command or subcommand $-1"
    );
    assert_eq!(
        world.send(user, "MULTI\nSET k v\nEXEC"),
        "+OK -NOPERM User u has no permissions to run the 'set' command -EXECABORT Transaction discarded because of \
         previous errors."
    );
}

#[test]
fn connections_follow_their_user() {
    let (mut world, admin, user) = world("+@all ~* &*");
    assert_eq!(world.send(user, "ACL WHOAMI\nSUBSCRIBE a"), "$1 u *3 $9 subscribe $1 a :1");
    world.send(admin, "ACL SETUSER u resetchannels &b");
    assert_eq!(world.server.attention(user), Then::Close, "it listened to what is no longer its");
    let other = world.client();
    world.send(other, "AUTH u p");
    assert_eq!(world.send(other, "GET k\nACL DELUSER u\nGET k"), "$-1 :1");
    assert_eq!(world.server.attention(other), Then::CloseAfterOutput);
    assert_eq!(world.send(admin, "ACL DELUSER u default"), "-ERR The 'default' user cannot be removed");
}

#[test]
fn the_default_user_is_whoever_says_nothing() {
    let mut world = World::new(&[]);
    let (admin, early) = (world.client(), world.client());
    assert_eq!(world.send(admin, "CONFIG SET requirepass secret\nGET k"), "+OK $-1");
    let late = world.client();
    assert_eq!(world.send(late, "GET k"), "-NOAUTH Authentication required.");
    assert_eq!(world.send(early, "GET k"), "$-1", "it had been let in before");
    world.send(admin, "ACL SETUSER default nopass -@all +ping");
    assert_eq!(
        world.send(late, "PING\nGET k"),
        "+PONG -NOPERM User default has no permissions to run the 'get' command"
    );
    assert_eq!(
        world.send(early, "AUTH x\nHELLO 3 AUTH nobody x"),
        "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
         configuration is correct? -WRONGPASS invalid username-password pair or user is disabled."
    );
}

#[test]
fn a_stranger_is_the_default_user_while_that_one_needs_no_password() {
    let mut world = World::new(&[("requirepass", "secret")]);
    let (stranger, admin) = (world.client(), world.client());
    world.send(admin, "AUTH secret");
    assert_eq!(world.send(stranger, "GET k"), "-NOAUTH Authentication required.");
    let refused = world.send(stranger, "DEBUG SLEEP 0");
    assert!(refused.starts_with("-ERR DEBUG command not allowed."), "{refused}");
    world.send(admin, "ACL SETUSER default nopass");
    assert_eq!(world.send(stranger, "GET k"), "$-1");
    let hello = world.send(stranger, "HELLO 3");
    assert!(hello.starts_with("-NOAUTH HELLO must be called"), "it has still not said who it is: {hello}");
    world.send(admin, "CONFIG SET requirepass other");
    assert_eq!(world.send(stranger, "GET k"), "-NOAUTH Authentication required.");
    assert_eq!(world.send(admin, "GET k"), "$-1", "it had said the password of its time");
}

#[test]
fn a_parenthesis_opened_anew_drops_the_one_before() {
    let (mut world, admin, _) = world("-@all");
    assert_eq!(world.send(admin, "ACL SETUSER u (+get ~x (+set ~y)"), "+OK");
    assert_eq!(world.send(admin, "ACL DRYRUN u SET y v"), "+OK");
    assert_eq!(
        world.send(admin, "ACL DRYRUN u GET x"),
        "$50 User u has no permissions to run the 'get' command"
    );
}

#[test]
fn a_connection_that_changes_its_user_keeps_subscriptions_until_the_new_user_changes() {
    let (mut world, admin, user) = world("+@all &b");
    world.send(admin, "ACL SETUSER other on nopass +@all &*");
    assert_eq!(
        world.send(user, "HELLO 3 AUTH other x\nSUBSCRIBE a\nAUTH u p").rsplit_once(">3").map(|(_, end)| end),
        Some(" $9 subscribe $1 a :1 +OK")
    );
    assert_eq!(world.server.attention(user), Then::Continue);
    world.send(admin, "ACL SETUSER u +get");
    assert_eq!(world.server.attention(user), Then::Close);
}

#[test]
fn users_are_kept_in_a_file() {
    let mut world = World::new(&[("aclfile", "users.acl")]);
    let admin = world.client();
    assert_eq!(world.send(admin, "ACL SETUSER u on >p +get ~k (+set ~s)\nACL SAVE"), "+OK +OK");
    let written = world.outside.borrow().written.last().cloned().unwrap_or_default();
    assert_eq!(
        written,
        "user default on nopass sanitize-payload ~* &* +@all\nuser u on sanitize-payload \
         #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 ~k resetchannels -@all +get \
         (~s resetchannels -@all +set)\n"
    );
    let user = world.client();
    world.send(user, "AUTH u p");
    assert_eq!(
        world.send(admin, "ACL SETUSER u +set\nACL SETUSER v\nACL LOAD\nACL USERS"),
        "+OK +OK +OK *2 $7 default $1 u"
    );
    assert_eq!(world.server.attention(user), Then::Close);
    world.outside.borrow_mut().written.push("user x +nosuch\n".into());
    assert!(
        world.send(admin, "ACL LOAD").starts_with("-ERR users.acl:1: Error in applying operation '+nosuch'")
    );
}

#[test]
fn the_configuration_declares_users() {
    let mut world = World::new(&[("user", "u on nopass +get ~*"), ("user", "default off")]);
    world.server.load_users_at_start().expect("users");
    let client = world.client();
    assert_eq!(world.send(client, "GET k\nAUTH u any\nGET k"), "-NOAUTH Authentication required. +OK $-1");
}
