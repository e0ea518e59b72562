//! The subscription to everything that one sentinel publishes.

use std::rc::Rc;
use std::time::Duration;

use resp::Value;

use crate::client::{Client, ClientError, Endpoint};
use crate::plan::NodeId;
use crate::watch::Shared;

const CONNECT_LIMIT: Duration = Duration::from_millis(500);
const FIRST_RETRY: Duration = Duration::from_millis(2);
const LAST_RETRY: Duration = Duration::from_millis(50);

/// Subscribes, and again whenever the connection is lost, until the task is aborted or the sentinel is not
/// watched any more.
pub(super) async fn follow(shared: Rc<Shared>, id: NodeId) {
    let mut pause = FIRST_RETRY;
    while shared.watches(id) {
        // Its password may be another since.
        let endpoint = Endpoint::of(shared.journal.plan().node(id));
        if listen(&shared, id, &endpoint).await.is_ok() {
            pause = FIRST_RETRY;
        }
        shared.set_subscribed(id, false);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_RETRY);
    }
}

/// Ends with success once the connection was established and is lost again.
async fn listen(shared: &Shared, id: NodeId, endpoint: &Endpoint) -> Result<(), ClientError> {
    let mut client = Client::connect(endpoint, CONNECT_LIMIT).await?;
    let confirmation = client.command(&["PSUBSCRIBE", "*"], CONNECT_LIMIT).await?;
    if let Some(error) = confirmation.as_error() {
        return Err(ClientError::Refused(error));
    }
    shared.set_subscribed(id, true);
    while let Ok(message) = client.next().await {
        if let Some((event, text)) = published(&message) {
            shared.published(id, &event, &text);
        }
    }
    Ok(())
}

/// Channel and payload of a pattern message that is an event.
fn published(message: &Value) -> Option<(String, String)> {
    let [kind, _pattern, channel, payload] = message.as_array()? else { return None };
    let channel = channel.to_text()?;
    let is_event = kind.as_bytes() == Some(b"pmessage") && channel.starts_with(['+', '-']);
    is_event.then(|| payload.to_text().map(|text| (channel, text)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_count() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let message = |words: &[&str]| Value::Array(words.iter().map(|word| bulk(word)).collect());
        assert_eq!(
            published(&message(&["pmessage", "*", "+sdown", "master m 1 2"])),
            Some(("+sdown".to_owned(), "master m 1 2".to_owned()))
        );
        assert_eq!(published(&message(&["pmessage", "*", "__sentinel__:hello", "x"])), None);
        assert_eq!(published(&message(&["psubscribe", "*", "1"])), None);
    }
}
