//! The request S3 gets: addressed in the bucket's style, signed with SigV4.

use std::time::SystemTime;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, header};

use super::S3;
use super::plan::Object;
use crate::config::S3Style;
use crate::origin::error::FetchError;
use crate::sigv4::{self, CanonicalRequest, EMPTY_SHA256, Timestamp};

/// A request's parts that are written here.
pub(in crate::origin) struct Signed {
    pub target: PathAndQuery,
    pub host: HeaderValue,
    pub headers: HeaderMap,
}

/// Where a request goes, as far as its signature depends on it.
#[derive(Debug, Clone, Copy)]
pub(in crate::origin) struct Endpoint<'a> {
    pub authority: &'a str,
    pub style: S3Style,
    pub region: &'a str,
}

impl S3 {
    /// The endpoint that a member is.
    pub(in crate::origin) fn endpoint<'a>(&'a self, authority: &'a str) -> Endpoint<'a> {
        Endpoint { authority, style: self.config.style, region: &self.config.region }
    }

    /// `headers` are what the client sent, stripped. Only Host and `x-amz-*` are
    /// signed: Range and the conditions may be left out, and so can be told apart from what identifies us.
    ///
    /// # Errors
    /// `Credentials` if there is nothing to sign with.
    pub(in crate::origin) fn sign(
        &self,
        method: &Method,
        object: &Object,
        endpoint: Endpoint<'_>,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<Signed, FetchError> {
        let Endpoint { authority, style, region } = endpoint;
        let (host, path) = match style {
            S3Style::Path => (authority.to_owned(), format!("/{}{}", object.bucket, object.path)),
            S3Style::VirtualHost => (format!("{}.{authority}", object.bucket), object.path.clone()),
        };
        let mut headers = headers.clone();
        // A preflight is not signed: browsers send it without credentials, and S3 takes it so.
        let keys = if *method == Method::OPTIONS { None } else { self.credentials.keys()? };
        if let Some(keys) = keys {
            let at = Timestamp::new(now);
            let token = keys.session_token.as_ref().map(|token| token.expose());
            let mut signed = vec![
                ("host", host.as_str()),
                ("x-amz-content-sha256", EMPTY_SHA256),
                ("x-amz-date", at.as_str()),
            ];
            signed.extend(token.map(|token| ("x-amz-security-token", token)));
            let request = CanonicalRequest {
                method: method.as_str(),
                path: &path,
                query: &object.query,
                headers: &signed,
                payload: EMPTY_SHA256,
            };
            let credentials = sigv4::Credentials {
                access_key_id: &keys.access_key_id,
                secret_access_key: keys.secret_access_key.expose(),
                session_token: token,
            };
            let authorization = sigv4::authorization(&request, credentials, region, "s3", &at);
            for &(name, value) in signed.iter().skip(1) {
                headers.insert(http::HeaderName::from_static(name), sensitive(value)?);
            }
            headers.insert(header::AUTHORIZATION, sensitive(&authorization)?);
        }
        let target = if object.query.is_empty() { path } else { format!("{path}?{}", object.query) };
        Ok(Signed {
            target: PathAndQuery::try_from(target).map_err(|_| FetchError::BadRequest("path"))?,
            host: HeaderValue::try_from(host).map_err(|_| FetchError::BadRequest("host"))?,
            headers,
        })
    }
}

fn sensitive(value: &str) -> Result<HeaderValue, FetchError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        FetchError::Credentials("a key or token has bytes that no header can carry".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::plan::Plan;
    use super::super::plan::tests::s3;
    use super::*;
    use crate::config::{S3Credentials, Secret};

    fn signed(s3: &S3, path: &str) -> Signed {
        let Plan::Send(object) =
            s3.plan(&Method::GET, path.as_bytes(), None, &HeaderValue::from_static("h")).unwrap()
        else {
            panic!("not sent")
        };
        let now = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        s3.sign(&Method::GET, &object, s3.endpoint("s3.amazonaws.com"), &HeaderMap::new(), now).unwrap()
    }

    #[test]
    fn both_styles() {
        let path = signed(&s3(|_| {}), "/a b");
        assert_eq!(
            (path.target.as_str(), path.host.to_str().unwrap()),
            ("/photos/a%20b", "s3.amazonaws.com")
        );
        let host = signed(&s3(|s3| s3.style = S3Style::VirtualHost), "/a b");
        assert_eq!(
            (host.target.as_str(), host.host.to_str().unwrap()),
            ("/a%20b", "photos.s3.amazonaws.com")
        );
    }

    #[test]
    fn what_is_signed() {
        let s3 = s3(|s3| {
            s3.region = "us-east-1".into();
            s3.credentials = S3Credentials::Static {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                session_token: Some(Secret::new("token")),
            };
        });
        let signed = signed(&s3, "/test.txt");
        let value = |name: &str| signed.headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(value("x-amz-date"), "20130524T000000Z");
        assert_eq!(value("x-amz-security-token"), "token");
        assert_eq!(value("x-amz-content-sha256"), EMPTY_SHA256);
        assert!(value("authorization").starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,Signature="
        ));
        assert!(signed.headers.values().all(HeaderValue::is_sensitive));
    }

    /// The signatures botocore 1.43 (`S3SigV4Auth`) makes of the same requests.
    #[test]
    fn botocore_signs_alike() {
        let s3 = s3(|s3| {
            s3.credentials = S3Credentials::Static {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                session_token: Some(Secret::new("the-token")),
            };
        });
        let now = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        for (path, query, signature) in [
            ("/a%20b+c/f%C3%BCr()", None, "67ee4d1f0da13bfa15e115c8f87f22764aaf1443c4c292f7443cb69fe13e6685"),
            (
                "/test.txt",
                Some("versionId=x%2By"),
                "d38d9ab26ea0af7370fd15094169273d16d6de45c0c7901e583d49eafcb78501",
            ),
        ] {
            let (host, query) = (HeaderValue::from_static("h"), query.map(str::as_bytes));
            let Plan::Send(object) = s3.plan(&Method::GET, path.as_bytes(), query, &host).unwrap() else {
                panic!("not sent")
            };
            let endpoint = "s3.eu-central-1.amazonaws.com";
            let signed =
                s3.sign(&Method::GET, &object, s3.endpoint(endpoint), &HeaderMap::new(), now).unwrap();
            let authorization = signed.headers.get("authorization").unwrap().to_str().unwrap();
            assert!(authorization.ends_with(signature), "{path}: {authorization}");
        }
    }

    #[test]
    fn anonymous_requests_bear_no_name() {
        let signed = signed(&s3(|s3| s3.credentials = S3Credentials::Anonymous), "/a");
        assert!(signed.headers.is_empty());
    }
}
