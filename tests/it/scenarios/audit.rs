//! The audit trail shows what was done to it.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::Duration;

use stardust_scenarios::binary::Done;
use stardust_scenarios::books::settled;
use stardust_scenarios::registry::Registry;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::trail::Trail;
use stardust_scenarios::{wait, ward};

pub fn what_is_done_to_an_event_is_named(backend: Backend) {
    let mut stack = Stack::started(backend, &Registry::ward(2));
    post(&stack, 0..16);
    let recorded = settled(&stack).audit;
    stack.terminate_all();
    let trail = Trail::of(&stack);
    let chain = trail.longest();
    let (first, last) = (&chain[0], &chain[chain.len() - 1]);
    let (one, other) = (&chain[2], &chain[5]);
    let kept = trail.keep();
    let new = "00000000-0000-5000-8000-000000000001";

    let broken = |place: i64, id: &str| {
        let done = verify(&stack, &[]);
        let named = format!("chain {}: {} events hold", one.chain, place - 1);
        let what = format!("BROKEN at place {place} (event {id}): ");
        assert!(
            done.stdout.contains(&named) && done.stdout.contains(&what),
            "{}",
            done.stdout
        );
        assert_eq!(done.code, Some(1), "{}", done.stdout);
        trail.restore(&kept);
    };
    trail.change(one);
    broken(one.seq, &one.id);
    let words = recorded[&one.id].to_string();
    trail.change_and_hide(one, &words);
    broken(one.seq, &one.id);
    for link in [first, one, last] {
        trail.remove(link);
        broken(link.seq, "-");
    }
    trail.insert_after(one, new);
    broken(one.seq + 1, new);
    trail.insert_after(last, new);
    broken(last.seq + 1, new);
    trail.swap(one, other);
    broken(one.seq, &other.id);
    for link in &chain {
        trail.remove(link);
    }
    broken(1, "-");
    verify(&stack, &[]).good();
}

pub fn heads_are_signed_and_the_front_can_be_cut(backend: Backend) {
    let mut stack = Stack::new(backend);
    stack.learn(&Registry::ward(2));
    let (key, public) = keys(&stack);
    stack.set("AUDIT_SIGNING_KEY_FILE", &key);
    stack.set("AUDIT_SIGNING_SECONDS", "1");
    stack.start();
    // Where several recorders share the chains, each signs what it wrote.
    let beside = (backend == Backend::Kafka)
        .then(|| stack.launch("audit-recorder", &[("STARDUST_INSTANCE_ID", "beside")]));
    post(&stack, 0..8);
    settled(&stack).counts(&[("stored", 8)]);
    until_verified(&stack, "8 events: whole; 8 covered by a signature");
    let between = ward::now() + 1;
    sleep(Duration::from_millis(1_100));
    post(&stack, 8..16);
    settled(&stack).counts(&[("stored", 16)]);
    stack.terminate_all();
    if let Some(beside) = beside {
        assert!(beside.terminate().success());
    }

    verify(&stack, &[])
        .good()
        .stdout
        .contains("16 events: whole; 16 covered")
        .then_some(())
        .expect("the last ones were signed at the end");
    stack.unset("AUDIT_SIGNING_SECONDS");
    stack.unset("AUDIT_SIGNING_KEY_FILE");
    let without = verify(&stack, &[]).good().stdout;
    assert!(
        without.contains("NOT CHECKED") && without.contains("; 0 covered"),
        "{without}"
    );
    let with = verify(&stack, &["--public-key", &public]).good().stdout;
    assert!(
        !with.contains("NOT CHECKED") && with.contains("; 16 covered"),
        "{with}"
    );
    assert_eq!(
        verify(&stack, &["--public-key", &key]).code,
        Some(2),
        "the secret half is no public key"
    );

    // The end goes together with the note of the head: the signature tells.
    let trail = Trail::of(&stack);
    let (kept, last) = (trail.keep(), trail.longest().pop().unwrap());
    trail.remove(&last);
    trail.forget_heads();
    let lost = verify(&stack, &["--public-key", &public]);
    let named = format!("BROKEN at place {} (event -): ", last.seq);
    assert!(
        lost.code == Some(1) && lost.stdout.contains(&named),
        "{}",
        lost.stdout
    );
    let until = ["audit", "cut", "--before", &between.to_string()];
    assert_eq!(stack.run(&until).code, Some(2), "no cut without the key");
    stack.set("AUDIT_SIGNING_KEY_FILE", &key);
    let refused = stack.run(&until);
    assert!(
        refused.code == Some(1) && refused.stderr.contains("nothing was cut"),
        "{}",
        refused.stderr
    );
    trail.restore(&kept);

    let before = trail.longest();
    let plan = stack.run(&[&until[..], &["--dry-run"]].concat()).good().stdout;
    assert!(plan.contains("8 events would go"), "{plan}");
    assert_eq!(trail.longest(), before);
    let done = stack.run(&until).good().stdout;
    assert!(done.contains("8 events are removed"), "{done}");
    let rest = trail.longest();
    assert!(
        before.ends_with(&rest) && rest.len() < before.len(),
        "the front is gone: {rest:?}"
    );
    let holds = verify(&stack, &["--public-key", &public]).good().stdout;
    assert!(
        holds.contains("8 events: whole; 8 covered") && holds.contains("cut up to place"),
        "{holds}"
    );
    assert_eq!(stack.run(&["export", "audit"]).good().lines().len(), 8);
    let kept = trail.keep();
    trail.change(&rest[0]);
    let changed = verify(&stack, &[]);
    let named = format!("BROKEN at place {} (event {}): ", rest[0].seq, rest[0].id);
    assert!(changed.stdout.contains(&named), "{}", changed.stdout);
    trail.restore(&kept);

    // The chains go on.
    stack.set("AUDIT_SIGNING_SECONDS", "1");
    stack.start();
    post(&stack, 16..20);
    until_verified(&stack, "12 events: whole; 12 covered by a signature");
    assert!(!stack.written().contains("PRIVATE"));
}

/// Posts messages of one reading each; each number is another reading.
fn post(stack: &Stack, numbers: Range<u32>) {
    for n in numbers {
        let bed = 1 + u8::try_from(n % 2).unwrap();
        let at = ward::now() - 10_000 + i64::from(n);
        stack.accepted(ward::pressure(bed, at, 110 + n, 70, 60 + n));
    }
}

fn verify(stack: &Stack, arguments: &[&str]) -> Done {
    stack.run(&[&["audit", "verify"], arguments].concat())
}

fn until_verified(stack: &Stack, end: &str) {
    wait::until(end, || {
        verify(stack, &[]).stdout.trim_end().ends_with(end).then_some(())
    });
}

/// A private key, as its owner keeps it, and its public half: the example of RFC 8410, section 10.
fn keys(stack: &Stack) -> (String, String) {
    let write = |name: &str, label: &str, base64: &str| {
        let path = stack.folder().join(name);
        fs::write(
            &path,
            format!("-----BEGIN {label} KEY-----\n{base64}\n-----END {label} KEY-----\n"),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    (
        write(
            "audit.pem",
            "PRIVATE",
            "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC",
        ),
        write(
            "audit.pub",
            "PUBLIC",
            "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        ),
    )
}
