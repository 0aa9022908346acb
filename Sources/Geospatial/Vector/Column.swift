internal import CGDAL

/// One column of the table to be, and where its values come from.
public struct Column: Sendable, Equatable {
  /// How a value is read and which PostgreSQL type it becomes.
  public enum Kind: String, Sendable {
    case bool, int2, int4, int8, float4, float8, text, date, time, timestamptz, bytea
    case int4Array = "int4[]"
    case int8Array = "int8[]"
    case float8Array = "float8[]"
    case textArray = "text[]"

    /// PostgreSQL type name.
    public var sqlType: String { rawValue }
  }

  /// Column name.
  public var name: String
  /// Field name in the source.
  public var sourceName: String
  public var kind: Kind
  /// OGR type name, for instance `Integer64` or `String(JSON)`; `CSV` columns are text that was recognised.
  public var sourceType: String
  /// Position of the field in the source's layer.
  var index: Int32
  /// The source gives text, which is read as `kind`.
  var fromText = false
}

extension Column.Kind {
  /// The type table. Mixed JSON is text: a column that holds 1, "x" and null has no better type. Unknown time zones are
  /// taken as UTC.
  init(type: OGRFieldType, subtype: OGRFieldSubType) {
    switch type {
    case OFTInteger: self = subtype == OFSTBoolean ? .bool : subtype == OFSTInt16 ? .int2 : .int4
    case OFTInteger64: self = .int8
    case OFTReal: self = subtype == OFSTFloat32 ? .float4 : .float8
    case OFTDate: self = .date
    case OFTTime: self = .time
    case OFTDateTime: self = .timestamptz
    case OFTBinary: self = .bytea
    case OFTIntegerList: self = .int4Array
    case OFTInteger64List: self = .int8Array
    case OFTRealList: self = .float8Array
    case OFTStringList: self = .textArray
    default: self = .text
    }
  }

  /// OID of an array's elements.
  var elementOID: Int32 {
    switch self {
    case .int4Array: 23
    case .int8Array: 20
    case .float8Array: 701
    default: 25
    }
  }
}
