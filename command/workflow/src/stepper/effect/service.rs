//! `call: openapi` and `call: grpc`.

use openclaw_model::event::run::{
    EffectClass, GrpcRequest, OpenApiRequest, Request, Resource, WorkflowError,
};
use serde_json::Value;

use super::super::{Step, data::Place, start::as_text};
use crate::{
    definition::{GrpcCall, OpenApiCall, ResourceTemplate},
    error,
};

impl Step<'_> {
    pub(super) fn openapi(
        &self,
        call: &OpenApiCall,
        input: &Value,
        place: Place<'_>,
    ) -> Result<(EffectClass, Request), WorkflowError> {
        let request = OpenApiRequest {
            document: self.resource(&call.document, input, place)?,
            operation: as_text(&self.render(&call.operation, input, place)?),
            parameters: self.object(call.parameters.as_ref(), "parameters", input, place)?,
            output: call.output,
            redirect: call.redirect,
            authentication: self.authentication(call.authentication.as_ref(), input, place)?,
        };
        Ok((call.class.unwrap_or(EffectClass::Keyed), Request::OpenApi(request)))
    }

    pub(super) fn grpc(
        &self,
        call: &GrpcCall,
        input: &Value,
        place: Place<'_>,
    ) -> Result<(EffectClass, Request), WorkflowError> {
        let port = call.port.as_ref().map(|port| self.render(port, input, place)).transpose()?;
        let port = match port {
            // That of https, the transport of gRPC on the web.
            None | Some(Value::Null) => 443,
            Some(port) => port
                .as_u64()
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port > 0)
                .ok_or_else(|| error::configuration(format!("the port of a service is {port}")))?,
        };
        let arguments = self.object(call.arguments.as_ref(), "arguments", input, place)?;
        let request = GrpcRequest {
            proto: self.resource(&call.proto, input, place)?,
            service: as_text(&self.render(&call.service, input, place)?),
            host: as_text(&self.render(&call.host, input, place)?),
            port,
            method: as_text(&self.render(&call.method, input, place)?),
            arguments: arguments.into_iter().collect(),
            authentication: self.authentication(call.authentication.as_ref(), input, place)?,
        };
        Ok((call.class.unwrap_or(EffectClass::Keyed), Request::Grpc(request)))
    }

    fn resource(
        &self,
        resource: &ResourceTemplate,
        input: &Value,
        place: Place<'_>,
    ) -> Result<Resource, WorkflowError> {
        Ok(Resource {
            uri: self.address(&resource.uri, input, place)?,
            authentication: self.authentication(resource.authentication.as_ref(), input, place)?,
        })
    }
}
