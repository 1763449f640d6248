//! What you may ask: GraphQL schema, subscriptions, consistency.
