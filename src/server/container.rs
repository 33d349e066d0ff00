//! A server in a container: the last resort, or what was asked for.
//!
//! The container belongs to a process and says so in a label, so that a later run removes what a killed one has left.
//! Whether the server is ready is found out by a query: the image says "ready" twice, and the engine's proxy takes
//! connections before the server does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use std::time::{Duration, Instant};

use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{ContainerPort, IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, Image, ImageExt};

use super::database;
use super::error::{ServerError, Skipped};
use super::login::{Endpoint, Login, Secret};
use super::private::{ASK_EVERY, SETTINGS, START_MAX, asked};
use super::wish::{NEWEST_MAJOR, Wish};

/// What says whose a container is.
const OWNER: &str = "pgweave.owner";
/// The owner of the managed one, which outlives every process.
const MANAGED: &str = "managed";
const PORT: u16 = 5432;
/// An image of 150 MB may have to be pulled first.
const PULL_MAX: Duration = Duration::from_secs(300);
/// Removing a container has this long. What is left is for the next run.
const REMOVE_MAX: Duration = Duration::from_secs(20);
/// Where the data is: in memory, and apart from where the image's own versions differ about it.
const MEMORY: &str = "/pgweave";

/// How long a container is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It goes with the process that started it.
    ForThisRun,
    /// It stays until it is told to go.
    UntilDown,
}

pub(super) fn skipped(why: impl Into<String>) -> Skipped {
    Skipped {
        rung: "container",
        why: why.into(),
        remedy: "start a Docker engine, and set DOCKER_HOST where it does not listen at the usual place"
            .to_owned(),
    }
}

/// The official image, as far as we need it.
#[derive(Debug)]
struct Postgres {
    tag: String,
    password: Secret,
    memory: Mount,
}

impl Image for Postgres {
    fn name(&self) -> &str {
        "postgres"
    }

    fn tag(&self) -> &str {
        &self.tag
    }

    fn ready_conditions(&self) -> Vec<WaitFor> {
        Vec::new()
    }

    fn env_vars(&self) -> impl IntoIterator<Item = (impl Into<Cow<'_, str>>, impl Into<Cow<'_, str>>)> {
        [
            ("POSTGRES_PASSWORD", self.password.reveal().to_owned()),
            ("POSTGRES_INITDB_ARGS", "--no-sync --encoding=UTF8 --locale=C".to_owned()),
            ("PGDATA", format!("{MEMORY}/data")),
        ]
    }

    fn mounts(&self) -> impl IntoIterator<Item = &Mount> {
        [&self.memory]
    }

    fn cmd(&self) -> impl IntoIterator<Item = impl Into<Cow<'_, str>>> {
        let settings = SETTINGS.iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
        std::iter::once("postgres".to_owned()).chain(settings)
    }

    fn expose_ports(&self) -> &[ContainerPort] {
        &[ContainerPort::Tcp(PORT)]
    }
}

/// A server in a container of ours. Dropping it removes the container.
pub(super) struct Running {
    container: Option<ContainerAsync<Postgres>>,
    login: Login,
}

impl Running {
    /// Starts one and waits for its first answer.
    pub(super) async fn start(wish: &Wish, keep: Keep) -> Result<Self, Skipped> {
        let docker = docker_client_instance().await.map_err(|error| skipped(error.to_string()))?;
        remove_leftovers(&docker).await;
        let password = password().map_err(|error| skipped(format!("no random bytes: {error}")))?;
        let image = Postgres {
            tag: wish.version.unwrap_or(NEWEST_MAJOR).to_string(),
            password: password.clone(),
            memory: Mount::tmpfs_mount(MEMORY),
        };
        let owner = if keep == Keep::UntilDown { MANAGED.to_owned() } else { database::new_name() };
        tracing::info!(image = %format!("postgres:{}", image.tag), "starting a container");
        let started = tokio::time::timeout(PULL_MAX, image.with_label(OWNER, owner).start()).await;
        let container = started
            .map_err(|_| skipped(format!("it has not started within {} s", PULL_MAX.as_secs())))?
            .map_err(|error| skipped(error.to_string()))?;
        let hosts = hosts(&container).await.map_err(|error| skipped(error.to_string()))?;
        let mut running = Self { login: login(&hosts[0], password), container: Some(container) };
        running.login.endpoint = running.first_answer(&hosts).await?;
        Ok(running)
    }

    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    pub(super) fn id(&self) -> &str {
        self.container.as_ref().map_or("", |container| container.id())
    }

    /// Lets the container outlive this process. Returns its id.
    pub(super) fn leave(mut self) -> String {
        let id = self.id().to_owned();
        // What removes it is its drop, which must not happen.
        std::mem::forget(self.container.take());
        id
    }

    /// Asks at each address in turn until there is an answer: inside a container, the address that is given may be that
    /// of a bridge, and the server be at our own.
    async fn first_answer(&self, hosts: &[Endpoint]) -> Result<Endpoint, Skipped> {
        let started = Instant::now();
        let mut said = String::new();
        while started.elapsed() < START_MAX {
            for endpoint in hosts {
                let login = Login { endpoint: endpoint.clone(), ..self.login.clone() };
                match tokio::time::timeout(START_MAX / 10, asked(&login)).await {
                    Ok(Ok(())) => return Ok(endpoint.clone()),
                    Ok(Err(error)) => said = error.to_string(),
                    Err(_) => said = format!("{endpoint} is silent"),
                }
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Err(skipped(format!("its server has not answered within {} s: {said}", START_MAX.as_secs())))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(container) = self.container.take() else { return };
        // On a thread and a runtime of its own: a drop may happen where there is none.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.is_ok_and(|runtime| {
                runtime.block_on(async {
                    matches!(tokio::time::timeout(REMOVE_MAX, container.rm()).await, Ok(Ok(())))
                })
            })
        });
        if !removing.join().unwrap_or(false) {
            tracing::warn!("a container of ours cannot be removed; the next run will");
        }
    }
}

fn login(endpoint: &Endpoint, password: Secret) -> Login {
    Login { endpoint: endpoint.clone(), user: "postgres".to_owned(), password: Some(password) }
}

/// Where its port may be found.
async fn hosts(container: &ContainerAsync<Postgres>) -> testcontainers::core::error::Result<[Endpoint; 2]> {
    let port = container.get_host_port_ipv4(PORT.tcp()).await?;
    let given = container.get_host().await?.to_string();
    Ok([given, "127.0.0.1".to_owned()].map(|host| Endpoint::Tcp { host, port }))
}

/// The engine may publish the port to other machines, so the password is a real one.
fn password() -> std::io::Result<Secret> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

/// Removes the containers of dead processes of this machine.
async fn remove_leftovers(docker: &Docker) {
    let filters = HashMap::from([("label", vec![OWNER])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    for container in docker.list_containers(Some(options)).await.unwrap_or_default() {
        let owner = container.labels.unwrap_or_default().remove(OWNER).unwrap_or_default();
        if let Some(id) = container.id.filter(|_| database::is_leftover(&owner)) {
            tracing::info!(container = %id, "removing what a killed run has left");
            let _ = removed(docker, &id).await;
        }
    }
}

async fn removed(docker: &Docker, id: &str) -> Result<(), testcontainers::bollard::errors::Error> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    docker.remove_container(id, Some(options)).await
}

/// A container that an earlier process has left running on purpose.
pub(super) struct Left {
    id: String,
    docker: Docker,
}

impl Left {
    pub(super) async fn find(id: &str) -> Result<Self, ServerError> {
        let docker = docker_client_instance().await;
        let docker = docker.map_err(|error| cannot("reach the engine of", id, &error.to_string()))?;
        Ok(Self { id: id.to_owned(), docker })
    }

    /// Where it listens and who we are there, asked of the engine: a password is nothing to keep in a file.
    pub(super) async fn login(&self) -> Result<Login, ServerError> {
        let failed = |why: &str| cannot("ask for", &self.id, why);
        let told = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await;
        let told = told.map_err(|error| failed(&error.to_string()))?;
        let env = told.config.and_then(|config| config.env).unwrap_or_default();
        let password = env.iter().find_map(|pair| pair.strip_prefix("POSTGRES_PASSWORD="));
        let password = Secret::new(password.ok_or_else(|| failed("it has no password"))?);
        let mut ports = told.network_settings.and_then(|network| network.ports).unwrap_or_default();
        let bound = ports.remove(&format!("{PORT}/tcp")).flatten().unwrap_or_default();
        let port = bound.iter().find_map(|binding| binding.host_port.as_ref()?.parse().ok());
        let port = port.ok_or_else(|| failed("it is stopped"))?;
        Ok(login(&Endpoint::Tcp { host: "127.0.0.1".to_owned(), port }, password))
    }

    pub(super) async fn remove(&self) -> Result<(), ServerError> {
        removed(&self.docker, &self.id).await.map_err(|error| cannot("remove", &self.id, &error.to_string()))
    }

    pub(super) async fn log(&self) -> Result<String, ServerError> {
        use futures::TryStreamExt;
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let chunks: Vec<_> = self
            .docker
            .logs(&self.id, Some(options))
            .try_collect()
            .await
            .map_err(|error| cannot("read the log of", &self.id, &error.to_string()))?;
        Ok(chunks.iter().map(ToString::to_string).collect())
    }
}

fn cannot(what: &'static str, id: &str, why: &str) -> ServerError {
    let short = id.get(..12).unwrap_or(id);
    ServerError::Managed(format!(
        "cannot {what} the container {short}: {why}; remove it with `cargo xtask db down`"
    ))
}
