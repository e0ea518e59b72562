//! Reading what INFO says about roles and replication.
//!
//! Only the fields that Sentinel acts upon are read; everything else in the
//! text is left alone, and a field that is missing or malformed is skipped.

/// What a server says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Master,
    Slave,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Master => "master",
            Role::Slave => "slave",
        }
    }
}

/// The fields of one INFO reply; `None` where the field was absent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) run_id: Option<String>,
    pub(crate) role: Option<Role>,
    /// `slaveN:` lines of a master.
    pub(crate) replicas: Vec<(String, u16)>,
    pub(crate) master_link_down_s: Option<i64>,
    pub(crate) master_host: Option<String>,
    pub(crate) master_port: Option<u16>,
    pub(crate) master_link_up: Option<bool>,
    pub(crate) priority: Option<i64>,
    pub(crate) offset: Option<u64>,
    pub(crate) announced: Option<bool>,
}

impl Info {
    pub(crate) fn parse(text: &[u8]) -> Info {
        let text = String::from_utf8_lossy(text);
        let mut info = Info::default();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(':') {
                info.take(name, value);
            }
        }
        info
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            "run_id" if value.len() >= 40 && value.is_char_boundary(40) => {
                self.run_id = Some(value[..40].to_owned());
            }
            "role" if value.starts_with("master") => self.role = Some(Role::Master),
            "role" if value.starts_with("slave") => self.role = Some(Role::Slave),
            "master_link_down_since_seconds" => self.master_link_down_s = value.parse().ok(),
            "master_host" => self.master_host = Some(value.to_owned()),
            "master_port" => self.master_port = value.parse().ok(),
            "master_link_status" => self.master_link_up = Some(value.eq_ignore_ascii_case("up")),
            "slave_priority" => self.priority = value.parse().ok(),
            "slave_repl_offset" => self.offset = value.parse().ok(),
            "replica_announced" => self.announced = Some(value.trim() != "0"),
            _ => {
                let number = name.strip_prefix("slave").unwrap_or("");
                if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
                    self.replicas.extend(replica_address(value));
                }
            }
        }
    }
}

/// `ip=10.0.0.1,port=6379,…`, or `10.0.0.1,6379,online` of servers before 2.8.
fn replica_address(value: &str) -> Option<(String, u16)> {
    if !value.contains("ip=") {
        let mut fields = value.split(',');
        return Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?));
    }
    let field = |name: &str| value.split(',').find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
    Some((field("ip")?.to_owned(), field("port")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_lists_its_replicas_in_both_forms() {
        let info = Info::parse(
            b"# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
              slave0:ip=127.0.0.1,port=6380,state=online,offset=1,lag=0\r\nslave1:10.0.0.2,6381,online\r\n",
        );
        assert_eq!(info.role, Some(Role::Master));
        assert_eq!(info.replicas, [("127.0.0.1".to_owned(), 6380), ("10.0.0.2".to_owned(), 6381)]);
    }

    #[test]
    fn a_replica_tells_of_its_master_and_itself() {
        let info = Info::parse(
            b"run_id:0123456789012345678901234567890123456789\r\nrole:slave\r\nmaster_host:h\r\nmaster_port:1\r\n\
              master_link_status:down\r\nmaster_link_down_since_seconds:-1\r\nslave_priority:0\r\n\
              slave_repl_offset:77\r\nreplica_announced:0\r\nslave_read_only:1\r\n",
        );
        assert_eq!(info.run_id.as_deref(), Some("0123456789012345678901234567890123456789"));
        assert_eq!((info.role, info.master_link_up), (Some(Role::Slave), Some(false)));
        assert_eq!((info.master_link_down_s, info.priority, info.offset), (Some(-1), Some(0), Some(77)));
        assert_eq!((info.announced, info.replicas.len()), (Some(false), 0));
    }

    #[test]
    fn damaged_fields_are_skipped() {
        let info = Info::parse(b"run_id:short\nslave0:ip=1.2.3.4\nmaster_port:x\n\xff\xfe:\nrole:sentinel\n");
        assert_eq!(info, Info::default());
    }
}
