//! How names become addresses: by the system, and for services by its name servers.

use super::dns::{self, Answer, Target};
use crate::entropy::random_u64;
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// Where the system says which name servers there are.
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;
/// Name servers that are asked at most.
const MAX_SERVERS: usize = 3;
/// How long one name server may take.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Largest answer in a datagram that is read whole.
const DATAGRAM: usize = 4096;

/// A look-up under way.
pub type Lookup<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Looks names up. The default is [`SystemResolver`]; programs with a registry of their own, and
/// tests, can bring another.
pub trait Resolver: Debug + Send + Sync + 'static {
    /// All addresses of a host, with this port.
    fn host<'a>(&'a self, host: &'a str, port: u16) -> Lookup<'a, Vec<SocketAddr>>;

    /// The hosts and ports at which a service is to be had, the most preferred first.
    fn service<'a>(&'a self, name: &'a str) -> Lookup<'a, Vec<(String, u16)>>;
}

/// Hosts as the system finds them (its hosts file, name servers, and whatever else it is set up
/// with), services by SRV records of its name servers.
#[derive(Clone, Debug, Default)]
pub struct SystemResolver {
    servers: Option<Vec<SocketAddr>>,
}

impl SystemResolver {
    /// Asks these name servers for services, in place of the system's.
    #[must_use]
    pub fn with_name_servers(servers: impl Into<Vec<SocketAddr>>) -> Self {
        Self { servers: Some(servers.into()) }
    }
}

impl Resolver for SystemResolver {
    fn host<'a>(&'a self, host: &'a str, port: u16) -> Lookup<'a, Vec<SocketAddr>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }

    fn service<'a>(&'a self, name: &'a str) -> Lookup<'a, Vec<(String, u16)>> {
        Box::pin(async move {
            let servers = match &self.servers {
                Some(servers) => servers.clone(),
                None => system_servers().await?,
            };
            let mut failed = io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no name server in {RESOLV_CONF}"),
            );
            for server in servers.into_iter().take(MAX_SERVERS) {
                match ask(server, name).await {
                    Ok(Answer::Targets(targets)) => {
                        return Ok(targets
                            .into_iter()
                            .map(|Target { host, port }| (host, port))
                            .collect());
                    }
                    Ok(Answer::NoName) => {
                        return Err(io::Error::new(
                            io::ErrorKind::NotFound,
                            "there is no such name",
                        ));
                    }
                    Ok(Answer::Truncated) => failed = io::Error::other("the answer is cut off"),
                    Ok(Answer::Failed(code)) => {
                        failed = io::Error::other(format!(
                            "the name server {server} answers error {code}"
                        ));
                    }
                    Err(error) => {
                        failed = io::Error::new(
                            error.kind(),
                            format!("the name server {server}: {error}"),
                        );
                    }
                }
            }
            Err(failed)
        })
    }
}

/// Read anew each time: it changes when a machine moves to another network.
async fn system_servers() -> io::Result<Vec<SocketAddr>> {
    let read = tokio::task::spawn_blocking(|| std::fs::read_to_string(RESOLV_CONF));
    let text = read.await.map_err(io::Error::other)?.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot read {RESOLV_CONF}: {error}"))
    })?;
    Ok(name_servers(&text))
}

fn name_servers(text: &str) -> Vec<SocketAddr> {
    let words = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok())?
    };
    text.lines().filter_map(words).map(|ip| SocketAddr::new(ip, DNS_PORT)).collect()
}

async fn ask(server: SocketAddr, name: &str) -> io::Result<Answer> {
    let [_, .., high, low] = random_u64().to_be_bytes();
    let question = dns::question(u16::from_be_bytes([high, low]), name);
    match in_time(by_datagram(server, &question)).await? {
        Answer::Truncated => in_time(by_stream(server, &question)).await,
        answer => Ok(answer),
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(late()))
}

async fn by_datagram(server: SocketAddr, question: &[u8]) -> io::Result<Answer> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    // A fresh random port, connected: what others send is dropped by the system.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut bytes = vec![0; DATAGRAM];
    loop {
        let len = socket.recv(&mut bytes).await?;
        // What is no answer to this question may be forged: the right one may still come.
        if let Ok(answer) = dns::answer(question, bytes.get(..len).unwrap_or_default()) {
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, question: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), question].concat()).await?;
    let len = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(len)];
    stream.read_exact(&mut bytes).await?;
    dns::answer(question, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_those_of_the_file() {
        let text = "# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.2\nnameserver\tfd00::1 \n\
                    nameserver nonsense\nnameservers 10.0.0.3\n";
        let wanted: Vec<SocketAddr> =
            ["10.0.0.2:53", "[fd00::1]:53"].map(|at| at.parse().unwrap()).into();
        assert_eq!(name_servers(text), wanted);
    }
}
