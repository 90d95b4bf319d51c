//! The stage kinds and role implementations that a program offers.

use std::any::Any;
use std::collections::BTreeMap;

use ccsr_cache::Value;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::params::{self, Documents, Misfits, Node, Problem};
use crate::{Site, Stage, StageKind};

type BuildStage = fn(Option<&Node>, &dyn Documents, &Roles) -> Result<Box<dyn Stage>, Vec<Problem>>;
type BuildRole = fn(Option<&Node>, &dyn Documents) -> Result<BoundRole, Vec<Problem>>;

/// What the engine knows of a stage kind before it is built.
pub struct Kind {
    /// Name in `uses:`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Revision of its outcomes.
    pub revision: u32,
    /// Revision of its units and tables.
    pub table_revision: u32,
    /// Roles it needs of the suite.
    pub roles: &'static [&'static str],
    /// JSON Schema of its `with:` block.
    pub schema: fn() -> Schema,
    /// Builds the stage from its `with:` block.
    pub build: BuildStage,
}

/// What the engine knows of a role's implementation before it is built.
pub struct Implementation {
    /// JSON Schema of its `with:` block in a suite.
    pub schema: fn() -> Schema,
    /// Builds it from its `with:` block.
    pub build: BuildRole,
}

/// What the author of a role's implementation writes. Register it with [`Registry::with_role`].
pub trait RoleKind: 'static {
    /// The role that it fills: `drawer`, `judge`, ….
    const ROLE: &'static str;
    /// Name in a suite's `use:`.
    const NAME: &'static str;
    /// Bump it when its outcomes change.
    const REVISION: u32;
    /// The `with:` block in the suite.
    type Params: DeserializeOwned + Serialize + JsonSchema;
    /// What stage kinds get: as a rule an `Arc<dyn …>`.
    type Object: Any + Send + Sync;

    /// What of the settings enters keys: all of them, unless an implementation says otherwise. A path
    /// says nothing about what lies there: it is left out, and what lies there is a source of the stage
    /// that the role works for.
    ///
    /// # Errors
    /// Settings that no key can hold.
    fn settings(params: &Self::Params) -> Result<Value, Misfits> {
        Value::of(params).map_err(|error| error.to_string().into())
    }

    /// Builds it. `identity` is what enters keys: the name, the revision and the settings.
    ///
    /// # Errors
    /// The settings that do not fit, as for [`StageKind::new`].
    fn new(params: Self::Params, identity: &Value) -> Result<Self::Object, Misfits>;
}

/// An implementation bound to a role by a suite.
pub struct BoundRole {
    /// Everything about it that outcomes depend on.
    pub identity: Value,
    object: Box<dyn Any + Send + Sync>,
}

/// The roles bound for one stage.
#[derive(Default)]
pub struct Roles(BTreeMap<String, BoundRole>);

impl Roles {
    /// Binds a role.
    pub fn bind(&mut self, role: impl Into<String>, bound: BoundRole) {
        self.0.insert(role.into(), bound);
    }

    /// The implementation of `role`, as the type that its [`RoleKind::Object`] names.
    ///
    /// # Errors
    /// A sentence, if the role is not bound or is of another type: the stage kind did not list it
    /// in its `ROLES`, or the two were written for different interfaces.
    pub fn get<T: Clone + 'static>(&self, role: &str) -> Result<T, String> {
        self.0
            .get(role)
            .and_then(|bound| bound.object.downcast_ref::<T>().cloned())
            .ok_or_else(|| {
                format!("the suite's `{role}` does not offer what this stage asks of it")
            })
    }

    /// What of the bound roles enters keys, by role.
    pub fn identity(&self) -> Value {
        Value::map(
            self.0
                .iter()
                .map(|(role, bound)| (role.as_str(), bound.identity.clone())),
        )
    }
}

/// The stage kinds and role implementations, by name.
#[derive(Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Kind>,
    roles: BTreeMap<(&'static str, &'static str), Implementation>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The registry with one stage kind more.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn with<K: StageKind>(mut self) -> Self {
        let kind = Kind {
            name: K::NAME,
            summary: K::SUMMARY,
            revision: K::REVISION,
            table_revision: K::TABLE_REVISION,
            roles: K::ROLES,
            schema: || schemars::schema_for!(K::Params),
            build: build_stage::<K>,
        };
        assert!(
            self.kinds.insert(K::NAME, kind).is_none(),
            "stage kind {} registered twice",
            K::NAME
        );
        self
    }

    /// The registry with one role implementation more.
    ///
    /// # Panics
    /// If the name is taken.
    #[must_use]
    pub fn with_role<R: RoleKind>(mut self) -> Self {
        let implementation = Implementation {
            schema: || schemars::schema_for!(R::Params),
            build: build_role::<R>,
        };
        let taken = self.roles.insert((R::ROLE, R::NAME), implementation);
        assert!(
            taken.is_none(),
            "{} registered twice for the role {}",
            R::NAME,
            R::ROLE
        );
        self
    }

    /// The stage kinds, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }

    /// A stage kind.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// The names of a role's implementations.
    pub fn implementations(&self, role: &str) -> Vec<&'static str> {
        self.roles
            .keys()
            .filter(|(known, _)| *known == role)
            .map(|(_, name)| *name)
            .collect()
    }

    /// The roles that implementations exist for.
    pub fn role_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.roles.keys().map(|(role, _)| *role).collect();
        names.dedup();
        names
    }

    /// The implementation `name` of `role`.
    pub fn role(&self, role: &str, name: &str) -> Option<&Implementation> {
        self.roles
            .iter()
            .find(|((r, n), _)| *r == role && *n == name)
            .map(|(_, implementation)| implementation)
    }
}

fn build_stage<K: StageKind>(
    with: Option<&Node>,
    documents: &dyn Documents,
    roles: &Roles,
) -> Result<Box<dyn Stage>, Vec<Problem>> {
    let params = read_block::<K::Params>(with, documents)?;
    let nothing = Node::empty_map();
    let site = Site::new(with.unwrap_or(&nothing), documents);
    let stage =
        K::new_at(params, roles, &site).map_err(|misfits| misfits.placed(with, documents))?;
    Ok(Box::new(stage))
}

fn build_role<R: RoleKind>(
    with: Option<&Node>,
    documents: &dyn Documents,
) -> Result<BoundRole, Vec<Problem>> {
    let params = read_block::<R::Params>(with, documents)?;
    let place = |misfits: Misfits| misfits.placed(with, documents);
    let settings = R::settings(&params).map_err(place)?;
    let identity = Value::map([
        ("use", Value::from(R::NAME)),
        ("revision", Value::Int(i64::from(R::REVISION))),
        ("with", settings),
    ]);
    let object = R::new(params, &identity).map_err(place)?;
    Ok(BoundRole {
        identity,
        object: Box::new(object),
    })
}

/// A missing block reads like an empty one, so that a required field is missed by its name.
fn read_block<T: DeserializeOwned>(
    with: Option<&Node>,
    documents: &dyn Documents,
) -> Result<T, Vec<Problem>> {
    params::read(with.unwrap_or(&Node::empty_map()), documents)
}
