//! `stardust replay`.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use stardust::arguments::{Offsets, offsets};
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{Log, LogError, MemberInfo, Topic};
use stardust_pipeline::replay::{self, Clamped, Count, Move, Plan, ReplayError, Target};
use tokio::time::{Instant, sleep};

use super::letters::instant;
use crate::ports::{self, Ports, Use};
use crate::say::{remark, say};
use crate::settings::Settings;
use crate::{Failure, Usage};

/// Arguments of `stardust replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// The consumer group, such as fhir_processing_queue.
    #[arg(long, value_name = "GROUP")]
    group: String,
    /// Its topic; the groups of this pipeline need none.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    #[command(flatten)]
    to: To,
    /// Change nothing; print the plan.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Where to: one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// The first record that is kept.
    #[arg(long)]
    to_earliest: bool,
    /// Behind the last record: what the group has not read is left out.
    #[arg(long)]
    to_latest: bool,
    /// These offsets; partitions that are not named stay.
    #[arg(long, value_name = "P=N,…", value_parser = offsets)]
    to_offset: Option<Offsets>,
    /// The first record written at this time or later.
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    to_datetime: Option<Timestamp>,
    /// By so many offsets from where the group stands; back where negative.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    shift_by: Option<i64>,
}

impl To {
    fn target(&self) -> Target {
        match (&self.to_offset, self.to_datetime, self.shift_by) {
            (Some(Offsets(offsets)), ..) => Target::Offsets(offsets.clone()),
            // The log knows milliseconds: nothing older than what was asked for.
            (_, Some(at), _) => {
                Target::Time(at.micros().div_euclid(1_000) + i64::from(at.micros() % 1_000 != 0))
            }
            (.., Some(by)) => Target::Shift(by),
            _ if self.to_latest => Target::Latest,
            _ => Target::Earliest,
        }
    }
}

/// The topic of a group: of ours the one that it reads, of others the one that is named.
fn topic_of(ports: &Ports, group: &str, named: Option<&str>) -> Result<Topic, Usage> {
    let (groups, topics) = (&ports.groups, &ports.topics);
    let letters = format!("{}.letters", groups.parser);
    let ours = [
        (&groups.parser, &topics.raw),
        (&letters, &topics.dead),
        (&groups.router, &topics.legacy),
        (&groups.recorder, &topics.audit),
    ];
    let reads = ours
        .iter()
        .find(|(name, _)| *name == group)
        .map(|(_, topic)| *topic);
    match (reads, named) {
        (Some(topic), Some(named)) if topic.as_str() != named => Err(Usage(format!(
            "the group {group} reads {topic}, not {named}: an offset there would be without effect"
        ))),
        (Some(topic), _) => Ok(topic.clone()),
        (None, Some(named)) => Ok(Topic::new(named)),
        (None, None) => {
            let ours: Vec<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
            Err(Usage(format!(
                "{group} is none of the groups of this pipeline ({}); name its topic with --topic",
                ours.join(", ")
            )))
        }
    }
}

/// How long a broker that answers may take to tell of its groups: a group's coordinator may be moving.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the command.
pub async fn run(settings: &Settings, args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    let topic = topic_of(&ports, &args.group, args.topic.as_deref())?;
    let target = args.to.target();
    let members = members(&ports, &args.group).await.map_err(anyhow::Error::from)?;
    if !members.is_empty() && !args.dry_run {
        return Err(anyhow::anyhow!("{}", refusal(&args.group, &members)).into());
    }
    let plan = match replay::plan(&ports.log, &args.group, &topic, &target).await {
        Ok(plan) => plan,
        Err(e @ ReplayError::NoPartition { .. }) => return Err(Usage(e.to_string()).into()),
        Err(e) => return Err(anyhow::Error::from(e).into()),
    };
    if !args.dry_run {
        replay::apply(&ports.log, &plan)
            .await
            .map_err(anyhow::Error::from)?;
    }
    if args.json {
        say!("{}", object(&plan, &members, args.dry_run));
    } else {
        say(&plan, args.dry_run);
    }
    if args.dry_run && !members.is_empty() {
        remark!("{}", refusal(&args.group, &members));
    }
    Ok(ExitCode::SUCCESS)
}

async fn members(ports: &Ports, group: &str) -> Result<Vec<MemberInfo>, LogError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match ports.log.members(group).await {
            Err(e) if e.is_retriable() && Instant::now() < until => sleep(Duration::from_millis(500)).await,
            answer => return answer,
        }
    }
}

fn refusal(group: &str, members: &[MemberInfo]) -> String {
    let names: Vec<String> = members
        .iter()
        .map(|member| format!("{} on {}", member.name, member.host))
        .collect();
    format!(
        "the group {group} has {} active members: {}. Offsets are set while it has none: stop its processes and run this \
         again (one that was killed counts as active until its session is over)",
        members.len(),
        names.join(", ")
    )
}

fn time(stamp: Option<i64>) -> String {
    stamp.map_or_else(|| "-".to_owned(), |ms| instant(Timestamp::from_millis(ms)))
}

fn count(count: Count) -> String {
    match count {
        Count::Exactly(n) => n.to_string(),
        Count::AtMost(n) => format!("≤{n}"),
    }
}

/// The plan for people.
fn say(plan: &Plan, dry_run: bool) {
    say!("group {} on {}", plan.group, plan.topic);
    say!(
        "{:>9}{:>12}{:>12}{:>10}  {:<26}newest",
        "partition",
        "from",
        "to",
        "records",
        "oldest"
    );
    for m in &plan.moves {
        let from = m
            .committed
            .map_or_else(|| "-".to_owned(), |next| next.to_string());
        say!(
            "{:>9}{from:>12}{:>12}{:>10}  {:<26}{}",
            m.partition,
            m.to,
            count(m.records),
            time(m.oldest),
            time(m.newest)
        );
    }
    for m in &plan.moves {
        for remark in remarks(m) {
            say!("partition {}: {remark}", m.partition);
        }
    }
    let (again, out) = (plan.records(true), plan.records(false));
    let verb = if dry_run { "would be" } else { "will be" };
    say!("{} records {verb} read again", count(again));
    if out.figure() > 0 {
        say!(
            "{} records {verb} left out: nobody works them, and `stardust reconcile` names what is missing for it",
            count(out)
        );
    }
    say!(
        "{}",
        if dry_run {
            "Nothing was changed."
        } else {
            "The offsets are set; the group goes on from there as soon as it has members."
        }
    );
}

fn remarks(m: &Move) -> Vec<String> {
    let mut remarks = Vec::new();
    match m.clamped {
        Some(Clamped::Low(asked)) => remarks.push(format!(
            "{asked} is before the first record that is kept: {} is taken",
            m.to
        )),
        Some(Clamped::High(asked)) => {
            remarks.push(format!("{asked} is behind the last record: {} is taken", m.to));
        }
        None => {}
    }
    if m.cut() > 0 {
        remarks.push(format!(
            "the group had not read up to {}, and what stood before that is no longer kept",
            m.low
        ));
    }
    remarks
}

fn object(plan: &Plan, members: &[MemberInfo], dry_run: bool) -> Value {
    let partitions: Vec<Value> = plan
        .moves
        .iter()
        .map(|m| {
            let (records, exact) = match m.records {
                Count::Exactly(n) => (n, true),
                Count::AtMost(n) => (n, false),
            };
            json!({
                "partition": m.partition, "from": m.committed, "to": m.to, "records": records, "exact": exact,
                "again": m.again(), "oldest": m.oldest.map(|ms| time(Some(ms))),
                "newest": m.newest.map(|ms| time(Some(ms))), "remarks": remarks(m),
            })
        })
        .collect();
    let members: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    json!({
        "group": plan.group, "topic": plan.topic.as_str(), "dry_run": dry_run, "members": members,
        "again": plan.records(true).figure(), "left_out": plan.records(false).figure(), "partitions": partitions,
    })
}
