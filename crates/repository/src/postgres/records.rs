//! Rows as PostgreSQL reads values of composite types in binary: many rows in one parameter, of
//! which the server parses nothing.
//!
//! A statement names the type (`$1::task.saved_change[]`); the values are written here column by
//! column, in the order of the type. The server compares the number and the types of the columns,
//! so a mistake is an error at the first use and never a wrong row.

use std::fmt::{Debug, Display};
use std::io::Write;

use diesel::pg::{Pg, PgTypeMetadata};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::HasSqlType;
use serde::Serialize;

use crate::columns::{Id, Json, Passed, Stamp, Word};

/// What a parameter is whose type only the statement says.
#[derive(QueryId)]
pub(super) struct AsWritten;

impl HasSqlType<AsWritten> for Pg {
    fn metadata(_: &mut Self::MetadataLookup) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

/// A value in PostgreSQL's binary format.
#[derive(Debug)]
pub(super) struct Binary(Vec<u8>);

impl ToSql<AsWritten, Pg> for Binary {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&self.0)?;
        Ok(IsNull::No)
    }
}

/// A column's value. The numbers are the object ids of PostgreSQL's own types, which never change.
pub(super) trait Column {
    const TYPE: u32;

    /// Appends the value; `false` for null, of which nothing is written.
    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool>;
}

/// Declares columns that are written as the bytes of a number.
macro_rules! numbers {
    ($($rust:ty = $oid:literal),+) => { $(
        impl Column for $rust {
            const TYPE: u32 = $oid;
            fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
                out.extend_from_slice(&self.to_be_bytes());
                Ok(true)
            }
        }
    )+ };
}

numbers!(i16 = 21, i32 = 23, i64 = 20, f64 = 701);

impl Column for bool {
    const TYPE: u32 = 16;

    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
        out.push(u8::from(*self));
        Ok(true)
    }
}

impl Column for String {
    const TYPE: u32 = 25;

    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
        out.extend_from_slice(self.as_bytes());
        Ok(true)
    }
}

impl<T: Display + Debug> Column for Word<T> {
    const TYPE: u32 = String::TYPE;

    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
        write!(out, "{}", self.0).map_err(serde_json::Error::io)?;
        Ok(true)
    }
}

impl Column for Id {
    const TYPE: u32 = 2950;

    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(true)
    }
}

impl Column for Stamp {
    const TYPE: u32 = 1184;

    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
        /// Microseconds from 1970 to 2000, where PostgreSQL counts from.
        const EPOCH: i64 = 946_684_800_000_000;
        (self.0.timestamp_micros() - EPOCH).write(out)
    }
}

impl<T: Serialize + Debug> Column for Json<T> {
    const TYPE: u32 = 3802;

    /// A JSON null is null.
    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
        let start = out.len();
        // The version of the binary form.
        out.push(1);
        serde_json::to_writer(&mut *out, &self.0)?;
        let is_null = &out[start + 1..] == b"null";
        if is_null {
            out.truncate(start);
        }
        Ok(!is_null)
    }
}

impl Column for Passed {
    const TYPE: u32 = 3802;

    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
        out.push(1);
        out.extend_from_slice(self.0.as_str().as_bytes());
        Ok(true)
    }
}

impl<C: Column> Column for Option<C> {
    const TYPE: u32 = C::TYPE;

    fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<bool> {
        self.as_ref().map_or(Ok(false), |value| value.write(out))
    }
}

/// Writes a row; its columns in the order of the type.
pub(super) struct Row<'a> {
    out: &'a mut Vec<u8>,
    columns: i32,
}

impl Row<'_> {
    pub(super) fn put(&mut self, value: &impl Column) -> serde_json::Result<()> {
        self.field(type_of(value), |out| value.write(out))
    }

    /// A row within the row; null without `value`.
    pub(super) fn put_row<T>(
        &mut self,
        oid: u32,
        value: Option<&T>,
        write: impl Fn(&mut Row<'_>, &T) -> serde_json::Result<()>,
    ) -> serde_json::Result<()> {
        self.field(oid, |out| match value {
            Some(value) => write_row(out, |row| write(row, value)).map(|()| true),
            None => Ok(false),
        })
    }

    /// Rows within the row.
    pub(super) fn put_rows<T>(
        &mut self,
        array: u32,
        element: u32,
        values: &[T],
        write: impl Fn(&mut Row<'_>, &T) -> serde_json::Result<()>,
    ) -> serde_json::Result<()> {
        self.field(array, |out| write_rows(out, element, values, write).map(|()| true))
    }

    fn field(
        &mut self,
        oid: u32,
        write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<bool>,
    ) -> serde_json::Result<()> {
        self.columns += 1;
        self.out.extend_from_slice(&oid.to_be_bytes());
        sized(self.out, write)
    }
}

fn type_of<C: Column>(_: &C) -> u32 {
    C::TYPE
}

/// An array of rows of the composite type `element`.
pub(super) fn rows<T>(
    element: u32,
    values: &[T],
    write: impl Fn(&mut Row<'_>, &T) -> serde_json::Result<()>,
) -> serde_json::Result<Binary> {
    let mut out = Vec::new();
    write_rows(&mut out, element, values, write)?;
    Ok(Binary(out))
}

fn write_rows<T>(
    out: &mut Vec<u8>,
    element: u32,
    values: &[T],
    write: impl Fn(&mut Row<'_>, &T) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    let n = i32::try_from(values.len()).map_err(|_| too_large())?;
    // One dimension, no element is null, of this type; so many elements, numbered from 1.
    for number in [1_i32, 0, element.cast_signed(), n, 1] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    values.iter().try_for_each(|value| sized(out, |out| write_row(out, |row| write(row, value)).map(|()| true)))
}

fn write_row(out: &mut Vec<u8>, write: impl FnOnce(&mut Row<'_>) -> serde_json::Result<()>) -> serde_json::Result<()> {
    let start = reserve(out);
    let mut row = Row { out, columns: 0 };
    write(&mut row)?;
    let columns = row.columns;
    fill(out, start, columns);
    Ok(())
}

/// What `write` appends behind its length, which is -1 for null.
fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<bool>) -> serde_json::Result<()> {
    let start = reserve(out);
    let length = if write(out)? { i32::try_from(out.len() - start - 4).map_err(|_| too_large())? } else { -1 };
    fill(out, start, length);
    Ok(())
}

fn reserve(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; 4]);
    out.len() - 4
}

fn fill(out: &mut [u8], start: usize, number: i32) {
    out[start..start + 4].copy_from_slice(&number.to_be_bytes());
}

fn too_large() -> serde_json::Error {
    serde_json::Error::io(std::io::ErrorKind::FileTooLarge.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_columns_each_with_type_and_length() {
        let mut out = Vec::new();
        let written = write_row(&mut out, |row| {
            row.put(&7_i16)?;
            row.put(&None::<String>)?;
            row.put(&Json(serde_json::Value::Null))
        });
        written.unwrap();
        let columns: [&[u8]; 4] = [
            &[0, 0, 0, 3],
            &[0, 0, 0, 21, 0, 0, 0, 2, 0, 7],
            &[0, 0, 0, 25, 255, 255, 255, 255],
            &[0, 0, 14, 218, 255, 255, 255, 255],
        ];
        assert_eq!(out, columns.concat());
    }

    #[test]
    fn an_instant_counts_from_2000() {
        let mut out = Vec::new();
        Stamp(chrono::DateTime::from_timestamp(946_684_801, 0).unwrap()).write(&mut out).unwrap();
        assert_eq!(out, 1_000_000_i64.to_be_bytes());
    }
}
