//! An [`Entry`] as bytes on disk.
//!
//! An entry is a meta, which is small and describes, and a body, which is bytes. The format version of a segment
//! covers both.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;

use super::super::entry::Entry;
use super::super::invalidation::{Seen, Tags};
use super::super::key::KeyHash;
use super::super::object::{Content, Meta, Object, Touched, Variant, Whole, compact_head};
use super::super::slice::{Manifest, Parts, Slice};
use super::super::variants::{MAX_VARIANTS, Variants};
use super::record::Kind;
use super::wire::{Reader, Writer};
use crate::http::time::Time;
use crate::policy::freshness::Freshness;
use crate::policy::stored_head::hold_back;

const REVALIDATE: u8 = 1;
const ALWAYS_VALIDATE: u8 = 2;
const HEURISTIC: u8 = 4;

impl Entry {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Entry::Object(_) => Kind::Object,
            Entry::Variants(_) => Kind::Variants,
            Entry::Slice(_) => Kind::Slice,
        }
    }

    /// The meta; `None` when it can't be said: a part of it is too long, or the body is one that is kept in RAM only.
    pub(super) fn meta(&self) -> Option<Vec<u8>> {
        let mut writer = Writer::default();
        match self {
            Entry::Object(object) => {
                write_meta(&mut writer, &object.meta);
                match &object.body {
                    Content::Whole(_) => writer.option(None, write_manifest),
                    Content::Sliced(manifest) => writer.option(Some(&**manifest), write_manifest),
                    Content::Part(_) => return None,
                }
            }
            Entry::Slice(slice) => {
                write_manifest(&mut writer, &slice.of);
                writer.u64(slice.index);
            }
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
            Entry::Object(object) => match &object.body {
                Content::Whole(whole) => whole.pieces(),
                Content::Sliced(_) | Content::Part(_) => &[],
            },
            Entry::Slice(slice) => slice.body.pieces(),
            Entry::Variants(_) => &[],
        }
    }

    /// From what was read; `None` if that is nothing we wrote.
    pub(super) fn decode(kind: Kind, meta: &[u8], body: Whole) -> Option<Self> {
        let mut reader = Reader(meta);
        let entry = match kind {
            Kind::Object => {
                let meta = read_meta(&mut reader)?;
                let body = match reader.option(read_manifest)? {
                    None => Content::Whole(body),
                    Some(manifest) if body.is_empty() => Content::Sliced(Arc::new(manifest)),
                    Some(_) => return None,
                };
                Entry::Object(Arc::new(Object { meta, body }))
            }
            Kind::Slice => {
                let (of, index) = (Arc::new(read_manifest(&mut reader)?), reader.u64()?);
                let slice = Slice { of, index, body, touched: Touched::yes() };
                slice.is_whole().then(|| Entry::Slice(Arc::new(slice)))?
            }
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
            // Which bytes a slice has never changes: its place is made of all that says so.
            other @ (Entry::Variants(_) | Entry::Slice(_)) => other,
        }
    }
}

fn write_meta(writer: &mut Writer, meta: &Meta) {
    writer.bytes(&meta.key);
    writer.option(meta.variant.as_ref(), write_variant);
    writer.u16(meta.status.as_u16());
    let fields = || meta.head.iter().chain(meta.held_back.iter().flat_map(|held| held.iter()));
    writer.count(fields().count());
    for (name, value) in fields() {
        writer.bytes(name.as_str().as_bytes());
        writer.bytes(value.as_bytes());
    }
    writer.option(meta.upstream_status.as_ref(), |writer, value| writer.bytes(value.as_bytes()));
    write_freshness(writer, &meta.freshness);
    writer.option(meta.modified, |writer, at| writer.u64(at.0));
    writer.option(meta.dated, |writer, at| writer.u64(at.0));
    writer.count(meta.tags.iter().count());
    meta.tags.iter().for_each(|tag| writer.bytes(tag));
    writer.u8(u8::from(meta.tags.overflowed()));
    writer.u64(meta.seen.get());
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
    let held_back = Some(hold_back(&mut head)).filter(|held| !held.is_empty()).map(Box::new);
    Some(Meta {
        key,
        variant,
        status,
        head: compact_head(&head),
        upstream_status: reader.option(|reader| HeaderValue::from_bytes(reader.bytes()?).ok())?,
        held_back,
        freshness: read_freshness(reader)?,
        modified: reader.option(Reader::u64)?.map(Time),
        dated: reader.option(Reader::u64)?.map(Time),
        tags: read_tags(reader)?,
        seen: Seen::new(reader.u64()?),
        // Only what was asked for more than once may have come here.
        touched: Touched::yes(),
    })
}

fn read_tags(reader: &mut Reader<'_>) -> Option<Tags> {
    let count = usize::from(reader.u16()?);
    let tags = (0..count).map(|_| reader.bytes()).collect::<Option<Vec<_>>>()?;
    let overflowed = reader.u8()? != 0;
    Some(Tags::restore(tags.into_iter(), overflowed))
}

fn write_manifest(writer: &mut Writer, manifest: &Manifest) {
    let parts = manifest.parts();
    writer.bytes(&parts.key);
    writer.option(parts.selecting, |writer, selecting| writer.bytes(&selecting));
    writer.bytes(parts.etag.as_bytes());
    writer.u64(parts.complete);
    writer.u64(parts.size);
    writer.u64(parts.base.0 as u64);
    writer.u64((parts.base.0 >> 64) as u64);
}

fn read_manifest(reader: &mut Reader<'_>) -> Option<Manifest> {
    Manifest::from_parts(Parts {
        key: reader.bytes()?.into(),
        selecting: reader.option(Reader::bytes)?.map(Into::into),
        etag: HeaderValue::from_bytes(reader.bytes()?).ok()?,
        complete: reader.u64()?,
        size: reader.u64()?,
        base: KeyHash(u128::from(reader.u64()?) | u128::from(reader.u64()?) << 64),
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
    use crate::policy::stored_head::NOT_FOR_CLIENTS;
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
        let tags = (vec("[a-z]{1,8}", 0..4), any::<bool>(), any::<u64>());
        let tags = tags
            .prop_map(|(tags, over, seen)| (Tags::restore(tags.iter().map(String::as_bytes), over), seen));
        (parts, freshness, times, prop::option::of("[ -~]{0,20}"), tags).prop_map(
            |((key, variant, status, fields), freshness, (modified, dated), upstream, (tags, seen))| {
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
                    held_back: upstream.as_ref().map(|value| {
                        let value = HeaderValue::from_str(value).unwrap();
                        Box::new(NOT_FOR_CLIENTS.map(|name| (name, value.clone())).into_iter().collect())
                    }),
                    upstream_status: upstream.map(|value| HeaderValue::from_str(&value).unwrap()),
                    freshness,
                    modified: modified.map(Time),
                    dated: dated.map(Time),
                    tags,
                    seen: Seen::new(seen),
                    touched: Touched::yes(),
                }
            },
        )
    }

    fn manifest() -> impl Strategy<Value = Manifest> {
        let of = (vec(any::<u8>(), 0..20), prop::option::of(vec(any::<u8>(), 0..9)), "\"[a-z]{0,9}\"");
        (of, 1u64..1000, 1u64..300, any::<u128>()).prop_map(
            |((key, selecting, etag), complete, size, base)| {
                let etag = HeaderValue::from_str(&etag).unwrap();
                let (key, selecting, base) = (key.into(), selecting.map(Into::into), KeyHash(base));
                Manifest::from_parts(Parts { key, selecting, etag, complete, size, base }).unwrap()
            },
        )
    }

    fn body_of(entry: &Entry) -> Whole {
        whole(&entry.body().concat())
    }

    proptest! {
        #[test]
        fn an_object_in_slices_and_its_slices_come_back_as_they_were(meta in meta(), manifest in manifest(), at in any::<prop::sample::Index>(), wrong in 1u64..9) {
            let manifest = Arc::new(manifest);
            let object = Arc::new(Object { meta: meta.clone(), body: Content::Sliced(Arc::clone(&manifest)) });
            let entry = Entry::Object(object);
            let back = Entry::decode(Kind::Object, &entry.meta().unwrap(), body_of(&entry));
            let Some(Entry::Object(back)) = back else { panic!("{back:?}") };
            prop_assert_eq!(format!("{:?}", back.meta), format!("{meta:?}"));
            prop_assert!(matches!(&back.body, Content::Sliced(back) if *back == manifest));
            prop_assert!(Entry::decode(Kind::Object, &entry.meta().unwrap(), whole(b"x")).is_none());

            let index = at.index(manifest.count() as usize) as u64;
            let bytes = vec![7; (manifest.end(index) - manifest.start(index)) as usize];
            let slice = Slice { of: Arc::clone(&manifest), index, body: whole(&bytes), touched: Touched::yes() };
            let entry = Entry::Slice(Arc::new(slice));
            let meta = entry.meta().unwrap();
            let Some(Entry::Slice(back)) = Entry::decode(Kind::Slice, &meta, body_of(&entry)) else { panic!() };
            prop_assert!(back.is(&manifest, index) && back.body.pieces().concat() == bytes);
            let more = vec![7; bytes.len() + wrong as usize];
            prop_assert!(Entry::decode(Kind::Slice, &meta, whole(&more)).is_none());
        }

        #[test]
        fn an_object_comes_back_as_it_was(meta in meta(), body in vec(any::<u8>(), 0..100)) {
            let entry = Entry::Object(Arc::new(Object { meta: meta.clone(), body: Content::Whole(whole(&body)) }));
            let back = Entry::decode(Kind::Object, &entry.meta().unwrap(), whole(&body));
            let Some(Entry::Object(back)) = back else { panic!("{back:?}") };
            prop_assert_eq!(format!("{:?}", back.meta), format!("{meta:?}"));
            prop_assert_eq!(Entry::Object(back).body().concat(), body);
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
            let _ = Entry::decode(Kind::Slice, &bytes, Whole::default());
        }

        #[test]
        fn a_damaged_meta_is_taken_or_refused(meta in meta(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut bytes = Entry::Object(Arc::new(Object { meta, body: Content::Whole(Whole::default()) })).meta().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Entry::decode(Kind::Object, &bytes, Whole::default());
            let cut = cut.index(bytes.len());
            prop_assert!(Entry::decode(Kind::Object, &bytes[..cut], Whole::default()).is_none());
        }
    }
}
