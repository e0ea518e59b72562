//! Reading back what was acknowledged.

use std::time::Duration;

use resp::Value;

use super::machine::Written;
use super::shell::Shared;
use super::tally::Acked;
use crate::client::Client;
use crate::world::WorldError;

/// Keys asked for with one MGET, and MGETs in one pipeline.
const KEYS_PER_COMMAND: usize = 250;
const COMMANDS_PER_PIPELINE: usize = 8;
const LIMIT: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 20;

/// Reads every acknowledged key through the server in force; gives those that are missing or different.
pub(super) async fn read_back(shared: &Shared) -> Result<Vec<(u32, Acked)>, WorldError> {
    let all = shared.tally.borrow().to_read_back();
    let mut keys: Vec<(u32, Acked, u64)> = Vec::new();
    let mut counters: Vec<u32> = Vec::new();
    for (client, acked) in all {
        match acked.written {
            Written::Key(seq) => keys.push((client, acked, seq)),
            Written::Counter(_) => counters.push(client),
        }
    }
    counters.dedup();
    if keys.is_empty() && counters.is_empty() {
        return Ok(Vec::new());
    }
    let mut client = connect(shared).await?;
    read_counters(shared, &mut client, &counters).await?;
    let mut lost = Vec::new();
    for batch in keys.chunks(KEYS_PER_COMMAND * COMMANDS_PER_PIPELINE) {
        let commands: Vec<Vec<Vec<u8>>> = batch
            .chunks(KEYS_PER_COMMAND)
            .map(|part| {
                let names =
                    part.iter().map(|(client, _, seq)| shared.settings.key(*client, *seq).into_bytes());
                std::iter::once(b"MGET".to_vec()).chain(names).collect()
            })
            .collect();
        let replies = client.pipeline(&commands, LIMIT).await.map_err(|error| failed(&error.to_string()))?;
        for (part, reply) in batch.chunks(KEYS_PER_COMMAND).zip(replies) {
            let values = reply.as_array().ok_or_else(|| {
                failed(&reply.as_error().unwrap_or_else(|| "no array in reply to MGET".to_owned()))
            })?;
            for ((client, acked, seq), value) in part.iter().zip(values) {
                let expected = shared.settings.value(&shared.settings.key(*client, *seq));
                if value.as_bytes() != Some(&expected) {
                    lost.push((*client, *acked));
                }
            }
        }
    }
    Ok(lost)
}

async fn read_counters(shared: &Shared, client: &mut Client, counters: &[u32]) -> Result<(), WorldError> {
    for &counter in counters {
        let args = ["GET".to_owned(), shared.settings.counter(counter)];
        let reply = client.command(&args, LIMIT).await.map_err(|error| failed(&error.to_string()))?;
        let value = match &reply {
            Value::Nil => 0,
            other => other.as_int().ok_or_else(|| failed("a counter is no number"))?,
        };
        shared.tally.borrow_mut().counter_ends_at(counter, value);
    }
    Ok(())
}

async fn connect(shared: &Shared) -> Result<Client, WorldError> {
    let mut pause = Duration::from_millis(5);
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match shared.route.connect(LIMIT).await {
            Ok((client, _)) => return Ok(client),
            Err(class) => last = class,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
    Err(failed(&last))
}

fn failed(reason: &str) -> WorldError {
    WorldError::Refused(format!("acknowledged keys cannot be read back: {reason}"))
}
