//! What one authenticated caller may take: calls and questions by rate and at the same time, WebSockets, operations
//! of WebSockets. One account for all surfaces, so that nobody gets more by asking elsewhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use openclaw_gateway::rpc;
use openclaw_model::Actor;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::rate::{Bucket, Rate};
use crate::metrics;

/// Accounts that are kept at most before those without anything in them are dropped. Callers are authenticated, so
/// there are as many as there are tokens and users.
const ACCOUNTS: usize = 10_000;
/// What somebody is told to wait who has everything at the same time that may be had.
const WAIT: Duration = Duration::from_millis(250);
/// The same for WebSockets and their operations, which are not given back in a moment.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// What one caller may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Calls and questions in a second; as many may have been saved up. 0 for no limit.
    pub(crate) rate: u32,
    /// Calls and questions at the same time.
    pub(crate) in_flight: usize,
    /// WebSockets at the same time.
    pub(crate) sockets: usize,
    /// Operations of GraphQL WebSockets at the same time, which are subscriptions for the most part.
    pub(crate) operations: usize,
}

/// What one caller has left.
struct Account {
    bucket: Mutex<Bucket>,
    in_flight: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
    operations: Arc<Semaphore>,
}

/// A place in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Call,
    Socket,
    Operation,
}

/// A taken place. It keeps the account alive, so that nobody gets a new one while something is taken from the old.
struct Taken {
    _place: OwnedSemaphorePermit,
    _account: Arc<Account>,
}

/// The accounts of all callers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Allowances {
    each: Allowance,
    accounts: Arc<Mutex<HashMap<String, Arc<Account>>>>,
}

impl Allowances {
    /// Gives each caller `each`.
    #[must_use]
    pub(crate) fn new(each: Allowance) -> Self {
        Self { each, accounts: Arc::default() }
    }

    fn admit(&self, caller: &str, ask: Ask) -> Result<Taken, Duration> {
        let account = self.account(caller);
        let (places, wait, what) = match ask {
            Ask::Call => (&account.in_flight, WAIT, "in_flight"),
            Ask::Socket => (&account.sockets, LONG_WAIT, "sockets"),
            Ask::Operation => (&account.operations, LONG_WAIT, "operations"),
        };
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| {
            metrics::limited(what);
            wait
        })?;
        // A socket alone asks nothing; what comes over it is counted.
        if let (Some(rate), Ask::Call | Ask::Operation) =
            (Rate::of(self.each.rate, Duration::from_secs(1)), ask)
        {
            let mut bucket = account.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(rate, Instant::now()).inspect_err(|_| metrics::limited("rate"))?;
        }
        Ok(Taken { _place: place, _account: account })
    }

    fn account(&self, caller: &str) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(caller) {
            return Arc::clone(account);
        }
        let now = Instant::now();
        if accounts.len() >= ACCOUNTS {
            accounts.retain(|_, account| {
                Arc::strong_count(account) > 1
                    || !account.bucket.lock().unwrap_or_else(PoisonError::into_inner).is_full(now)
            });
        }
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let account = Arc::new(Account {
            bucket: Mutex::new(Bucket::full(now)),
            in_flight: places(self.each.in_flight),
            sockets: places(self.each.sockets),
            operations: places(self.each.operations),
        });
        accounts.insert(caller.to_owned(), Arc::clone(&account));
        account
    }
}

impl rpc::Door for Allowances {
    fn take(&self, caller: &Actor, ask: rpc::Ask) -> Result<rpc::Place, Duration> {
        let ask = match ask {
            rpc::Ask::Call => Ask::Call,
            rpc::Ask::Socket => Ask::Socket,
        };
        self.admit(&caller.0, ask).map(rpc::Place::new)
    }
}

impl openclaw_query::Door for Allowances {
    fn take(
        &self,
        caller: &openclaw_query::Caller,
        ask: openclaw_query::Ask,
    ) -> Result<openclaw_query::Place, Duration> {
        let ask = match ask {
            openclaw_query::Ask::Question => Ask::Call,
            openclaw_query::Ask::Operation => Ask::Operation,
            openclaw_query::Ask::Socket => Ask::Socket,
        };
        // The name is the one that the log has: the same as the actor of a call.
        self.admit(&caller.name, ask).map(openclaw_query::Place::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Allowance = Allowance { rate: 100, in_flight: 3, sockets: 2, operations: 1 };

    #[tokio::test(start_paused = true)]
    async fn each_caller_has_an_account_of_its_own_for_each_kind_of_thing() {
        let allowances = Allowances::new(EACH);
        let mut held = Vec::new();
        for (ask, count, wait) in
            [(Ask::Call, 3, WAIT), (Ask::Socket, 2, LONG_WAIT), (Ask::Operation, 1, LONG_WAIT)]
        {
            for _ in 0..count {
                held.push(allowances.admit("token:greedy", ask).expect("within the allowance"));
            }
            assert_eq!(allowances.admit("token:greedy", ask).err(), Some(wait), "{ask:?}");
            assert!(allowances.admit("token:modest", ask).is_ok(), "{ask:?}");
        }
        held.clear();
        assert!(
            allowances.admit("token:greedy", Ask::Socket).is_ok(),
            "what is given back can be taken again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_over_all_surfaces_and_comes_back_in_time() {
        use openclaw_model::access::Grants;

        let allowances = Allowances::new(EACH);
        let asking = openclaw_query::Caller { name: "token:one".into(), grants: Arc::new(Grants::all()) };
        let calling = Actor("token:one".into());
        let question = || openclaw_query::Door::take(&allowances, &asking, openclaw_query::Ask::Question);
        let call = || rpc::Door::take(&allowances, &calling, rpc::Ask::Call);
        let mut taken = 0;
        while question().is_ok() && call().is_ok() {
            taken += 2;
            assert!(taken <= 100, "there is a rate");
        }
        assert_eq!(taken, 100);
        assert_eq!(call().err(), Some(Duration::from_millis(10)));
        assert!(allowances.admit("token:two", Ask::Call).is_ok());
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(call().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_with_something_taken_from_it_is_not_forgotten() {
        let allowances = Allowances::new(EACH);
        let _socket = allowances.admit("token:first", Ask::Socket).expect("within");
        let _socket_too = allowances.admit("token:first", Ask::Socket).expect("within");
        for number in 0..ACCOUNTS {
            drop(allowances.admit(&format!("token:{number}"), Ask::Socket));
        }
        assert!(allowances.admit("token:first", Ask::Socket).is_err());
        assert!(allowances.accounts.lock().expect("nobody panicked").len() < ACCOUNTS);
    }
}
