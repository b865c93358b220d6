//! What can be kept on disk, as bytes.
//!
//! An entry is a meta, which is small and describes, and a body, which is bytes. The format version of a segment
//! covers both.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;

use super::super::object::{Meta, Object, Touched, Variant, Whole, compact_head};
use super::super::variants::{MAX_VARIANTS, Variants};
use super::record::Kind;
use super::wire::{Reader, Writer};
use crate::http::time::Time;
use crate::policy::freshness::Freshness;

/// Something to keep. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A stored response.
    Object(Arc<Object>),
    /// Which variants a key has.
    Variants(Arc<Variants>),
}

const REVALIDATE: u8 = 1;
const ALWAYS_VALIDATE: u8 = 2;
const HEURISTIC: u8 = 4;

impl Entry {
    /// Bytes it takes in RAM, and about those it takes on disk.
    pub fn weight(&self) -> usize {
        match self {
            Entry::Object(object) => object.weight(),
            Entry::Variants(variants) => variants.weight(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Entry::Object(_) => Kind::Object,
            Entry::Variants(_) => Kind::Variants,
        }
    }

    /// The meta; `None` when a part of it is longer than can be said.
    pub(super) fn meta(&self) -> Option<Vec<u8>> {
        let mut writer = Writer::default();
        match self {
            Entry::Object(object) => write_meta(&mut writer, &object.meta),
            Entry::Variants(variants) => {
                writer.bytes(&variants.key);
                writer.count(variants.len());
                variants.iter().for_each(|variant| write_variant(&mut writer, variant));
            }
        }
        writer.finish()
    }

    /// The body, in pieces.
    pub(super) fn body(&self) -> &[Bytes] {
        match self {
            Entry::Object(object) => object.body.pieces(),
            Entry::Variants(_) => &[],
        }
    }

    /// From what was read; `None` if that is nothing we wrote.
    pub(super) fn decode(kind: Kind, meta: &[u8], body: Whole) -> Option<Self> {
        let mut reader = Reader(meta);
        let entry = match kind {
            Kind::Object => Entry::Object(Arc::new(Object { meta: read_meta(&mut reader)?, body })),
            Kind::Variants if body.is_empty() => {
                let key = reader.bytes()?.into();
                let count = usize::from(reader.u16()?);
                if count > MAX_VARIANTS {
                    return None;
                }
                let entries = (0..count).map(|_| read_variant(&mut reader)).collect::<Option<Vec<_>>>()?;
                Entry::Variants(Arc::new(Variants::from_parts(key, entries)))
            }
            Kind::Variants | Kind::Removed => return None,
        };
        reader.is_at_end().then_some(entry)
    }

    /// The same, to be validated before use.
    pub(super) fn suspected(self) -> Self {
        match self {
            Entry::Object(object) => {
                let mut object = Arc::unwrap_or_clone(object);
                object.meta.freshness.invalidate();
                Entry::Object(Arc::new(object))
            }
            variants @ Entry::Variants(_) => variants,
        }
    }
}

fn write_meta(writer: &mut Writer, meta: &Meta) {
    writer.bytes(&meta.key);
    writer.option(meta.variant.as_ref(), write_variant);
    writer.u16(meta.status.as_u16());
    writer.count(meta.head.len());
    for (name, value) in &meta.head {
        writer.bytes(name.as_str().as_bytes());
        writer.bytes(value.as_bytes());
    }
    writer.option(meta.upstream_status.as_ref(), |writer, value| writer.bytes(value.as_bytes()));
    write_freshness(writer, &meta.freshness);
    writer.option(meta.modified, |writer, at| writer.u64(at.0));
    writer.option(meta.dated, |writer, at| writer.u64(at.0));
}

fn read_meta(reader: &mut Reader<'_>) -> Option<Meta> {
    let key = reader.bytes()?.into();
    let variant = reader.option(read_variant)?;
    let status = StatusCode::from_u16(reader.u16()?).ok()?;
    let fields = usize::from(reader.u16()?);
    let mut head = HeaderMap::new();
    for _ in 0..fields {
        let name = HeaderName::from_bytes(reader.bytes()?).ok()?;
        let value = HeaderValue::from_bytes(reader.bytes()?).ok()?;
        head.try_append(name, value).ok()?;
    }
    Some(Meta {
        key,
        variant,
        status,
        head: compact_head(&head),
        upstream_status: reader.option(|reader| HeaderValue::from_bytes(reader.bytes()?).ok())?,
        freshness: read_freshness(reader)?,
        modified: reader.option(Reader::u64)?.map(Time),
        dated: reader.option(Reader::u64)?.map(Time),
        // Only what was asked for more than once may have come here.
        touched: Touched::yes(),
    })
}

fn write_variant(writer: &mut Writer, variant: &Variant) {
    writer.count(variant.names.len());
    variant.names.iter().for_each(|name| writer.bytes(name.as_str().as_bytes()));
    writer.bytes(&variant.selecting);
}

fn read_variant(reader: &mut Reader<'_>) -> Option<Variant> {
    let count = reader.u16()?;
    let mut names = SmallVec::new();
    for _ in 0..count {
        names.push(HeaderName::from_bytes(reader.bytes()?).ok()?);
    }
    Some(Variant { names, selecting: reader.bytes()?.into() })
}

fn write_freshness(writer: &mut Writer, freshness: &Freshness) {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    // When the response arrived is a time on the calendar: its age counts while nobody runs.
    writer.u64(freshness.response_time.0);
    writer.u64(millis(freshness.initial_age));
    writer.u64(millis(freshness.lifetime));
    writer.u64(millis(freshness.stale_while_revalidate));
    writer.u64(millis(freshness.stale_if_error));
    let flag = |holds, flag| if holds { flag } else { 0 };
    writer.u8(flag(freshness.revalidate, REVALIDATE)
        | flag(freshness.always_validate, ALWAYS_VALIDATE)
        | flag(freshness.heuristic, HEURISTIC));
}

fn read_freshness(reader: &mut Reader<'_>) -> Option<Freshness> {
    let response_time = Time(reader.u64()?);
    let mut millis = || reader.u64().map(Duration::from_millis);
    let (initial_age, lifetime) = (millis()?, millis()?);
    let (stale_while_revalidate, stale_if_error) = (millis()?, millis()?);
    let flags = reader.u8()?;
    Some(Freshness {
        response_time,
        initial_age,
        lifetime,
        stale_while_revalidate,
        stale_if_error,
        revalidate: flags & REVALIDATE != 0,
        always_validate: flags & ALWAYS_VALIDATE != 0,
        heuristic: flags & HEURISTIC != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::object::WholeBuilder;
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Whole {
        let mut builder = WholeBuilder::new(None);
        builder.push(bytes);
        builder.finish()
    }

    fn variant() -> impl Strategy<Value = Variant> {
        (vec("[a-z][a-z-]{0,8}", 0..3), vec(any::<u8>(), 0..20)).prop_map(|(names, selecting)| Variant {
            names: names.iter().map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap()).collect(),
            selecting: selecting.into(),
        })
    }

    fn meta() -> impl Strategy<Value = Meta> {
        let fields = vec(("[a-z][a-z-]{0,12}", "[ -~]{0,40}"), 0..12);
        let freshness = (any::<[u64; 5]>(), any::<[bool; 3]>()).prop_map(|(numbers, flags)| Freshness {
            response_time: Time(numbers[0]),
            initial_age: Duration::from_millis(numbers[1]),
            lifetime: Duration::from_millis(numbers[2]),
            stale_while_revalidate: Duration::from_millis(numbers[3]),
            stale_if_error: Duration::from_millis(numbers[4]),
            revalidate: flags[0],
            always_validate: flags[1],
            heuristic: flags[2],
        });
        let times = any::<(Option<u64>, Option<u64>)>();
        let parts = (vec(any::<u8>(), 0..80), prop::option::of(variant()), 100u16..600, fields);
        (parts, freshness, times, prop::option::of("[ -~]{0,20}")).prop_map(
            |((key, variant, status, fields), freshness, (modified, dated), upstream)| {
                let mut head = HeaderMap::new();
                for (name, value) in fields {
                    head.append(
                        HeaderName::from_bytes(name.as_bytes()).unwrap(),
                        HeaderValue::from_str(&value).unwrap(),
                    );
                }
                Meta {
                    key: key.into(),
                    variant,
                    status: StatusCode::from_u16(status).unwrap(),
                    head,
                    upstream_status: upstream.map(|value| HeaderValue::from_str(&value).unwrap()),
                    freshness,
                    modified: modified.map(Time),
                    dated: dated.map(Time),
                    touched: Touched::yes(),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn an_object_comes_back_as_it_was(meta in meta(), body in vec(any::<u8>(), 0..100)) {
            let entry = Entry::Object(Arc::new(Object { meta: meta.clone(), body: whole(&body) }));
            let back = Entry::decode(Kind::Object, &entry.meta().unwrap(), whole(&body));
            let Some(Entry::Object(back)) = back else { panic!("{back:?}") };
            prop_assert_eq!(format!("{:?}", back.meta), format!("{meta:?}"));
            prop_assert_eq!(back.body.pieces().concat(), body);
        }

        #[test]
        fn variants_come_back_as_they_were(key in vec(any::<u8>(), 0..40), entries in vec(variant(), 0..5)) {
            let variants = Variants::from_parts(key.into(), entries);
            let entry = Entry::Variants(Arc::new(variants.clone()));
            let back = Entry::decode(Kind::Variants, &entry.meta().unwrap(), Whole::default());
            let Some(Entry::Variants(back)) = back else { panic!("{back:?}") };
            prop_assert_eq!(format!("{back:?}"), format!("{variants:?}"));
        }

        #[test]
        fn whatever_is_read_is_taken_or_refused(bytes in vec(any::<u8>(), 0..200)) {
            let _ = Entry::decode(Kind::Object, &bytes, Whole::default());
            let _ = Entry::decode(Kind::Variants, &bytes, Whole::default());
        }

        #[test]
        fn a_damaged_meta_is_taken_or_refused(meta in meta(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut bytes = Entry::Object(Arc::new(Object { meta, body: Whole::default() })).meta().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Entry::decode(Kind::Object, &bytes, Whole::default());
            let cut = cut.index(bytes.len());
            prop_assert!(Entry::decode(Kind::Object, &bytes[..cut], Whole::default()).is_none());
        }
    }
}
