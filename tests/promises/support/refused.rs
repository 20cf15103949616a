//! Why a call was refused, with all that its status says.

use super::within;
use std::{collections::BTreeMap, future::Future, time::Duration};
use tonic::{Code, Response, Status};
use tonic_types::{StatusExt as _, pb};

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) metadata: BTreeMap<String, String>,
    /// The fields that are at fault.
    pub(crate) fields: Vec<String>,
    /// The limits that were passed.
    pub(crate) limits: Vec<String>,
    pub(crate) retry: Option<Duration>,
}

/// What a call was refused with.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> impl Future<Output = Refused> {
    let call = within(call);
    async move {
        match call.await {
            Ok(answer) => panic!("it was not refused: {:?}", answer.into_inner()),
            Err(status) => Refused::of(&status),
        }
    }
}

impl Refused {
    #[track_caller]
    pub(crate) fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info() else { panic!("an error has its reason: {status:?}") };
        assert_eq!(info.domain, "eric", "{status:?}");
        let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        let limits = details.quota_failure().map(|quota| quota.violations.clone()).unwrap_or_default();
        Self {
            code: status.code(),
            reason: info.reason.clone(),
            message: status.message().to_owned(),
            metadata: info.metadata.clone().into_iter().collect(),
            fields: fields.into_iter().map(|violation| violation.field).collect(),
            limits: limits.into_iter().map(|violation| violation.subject).collect(),
            retry: details.retry_info().and_then(|info| info.retry_delay),
        }
    }

    /// What stands in an answer has the same details as the status of a call.
    #[track_caller]
    pub(crate) fn of_pb(status: &pb::Status) -> Self {
        let details = prost::Message::encode_to_vec(status);
        Self::of(&Status::with_details(Code::from_i32(status.code), &status.message, details.into()))
    }

    /// It is of this code and reason, and names these fields.
    #[track_caller]
    pub(crate) fn is(&self, code: Code, reason: &str, fields: &[&str]) -> &Self {
        assert_eq!((self.code, self.reason.as_str()), (code, reason), "{self:?}");
        assert_eq!(self.fields, fields, "{self:?}");
        assert!(!self.message.is_empty(), "{self:?}");
        self
    }

    /// It says this of what it concerns.
    #[track_caller]
    pub(crate) fn tells(&self, key: &str, value: &str) -> &Self {
        assert_eq!(self.metadata.get(key).map(String::as_str), Some(value), "{key} in {self:?}");
        self
    }

    /// It names this limit.
    #[track_caller]
    pub(crate) fn limit(&self, limit: &str) -> &Self {
        assert_eq!(self.limits, [limit], "{self:?}");
        self
    }
}
