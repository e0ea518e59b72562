//! `proc-title-template`: the process title, with variables in braces.

use std::ops::RangeInclusive;

use super::setting::Setting;

/// A template whose variables are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TitleTemplate(String);

/// What the variables stand for.
#[derive(Clone, Debug, Default)]
pub struct TitleParts<'a> {
    /// The program's name, or what a child does.
    pub title: &'a str,
    /// Address and port listened on, or the Unix socket.
    pub listen_addr: &'a str,
    /// `[sentinel]`, `[cluster]` or nothing.
    pub server_mode: &'a str,
    /// The port.
    pub port: u16,
    /// The Unix socket.
    pub unixsocket: &'a str,
    /// The configuration file.
    pub config_file: &'a str,
}

impl TitleParts<'_> {
    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "title" => self.title.into(),
            "listen-addr" => self.listen_addr.into(),
            "server-mode" => self.server_mode.into(),
            "port" => self.port.to_string(),
            // TLS is not there.
            "tls-port" => "0".into(),
            "unixsocket" => self.unixsocket.into(),
            "config-file" => self.config_file.into(),
            _ => return None,
        })
    }
}

impl TitleTemplate {
    /// The title; none when a variable is unknown or a brace stands alone.
    fn fill(text: &str, parts: &TitleParts<'_>) -> Option<String> {
        let (mut title, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}')?;
            title.push_str(before);
            title.push_str(&parts.value(name)?);
            rest = behind;
        }
        title.push_str(rest);
        Some(title.trim_end().into())
    }

    /// The title.
    pub fn title(&self, parts: &TitleParts<'_>) -> String {
        Self::fill(&self.0, parts).unwrap_or_default()
    }
}

impl Setting for TitleTemplate {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let [word] = words else { return Err("wrong number of arguments".into()) };
        let text = String::from_utf8_lossy(word).into_owned();
        match Self::fill(&text, &TitleParts::default()) {
            Some(_) => Ok(Self(text)),
            None => Err("template format is invalid or contains unknown variables".into()),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let template = |text: &str| TitleTemplate::parse(&[text.as_bytes().to_vec()], &(0..=0));
        let parts =
            TitleParts { title: "redis-server", listen_addr: "*:6379", port: 6379, ..TitleParts::default() };
        assert_eq!(
            template("{title} {listen-addr} {server-mode}").unwrap().title(&parts),
            "redis-server *:6379"
        );
        assert_eq!(template("{port}/{tls-port} x").unwrap().title(&parts), "6379/0 x");
        assert!(template("{nonsense}").is_err() && template("{title").is_err());
    }
}
