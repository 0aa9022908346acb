/// PostgreSQL's object identifiers of the built-in types this module converts (catalog pg_type; they never change).
enum PGType {
  typealias OID = UInt32

  static let bool: OID = 16
  static let bytea: OID = 17
  static let char: OID = 18
  static let name: OID = 19
  static let int8: OID = 20
  static let int2: OID = 21
  static let int4: OID = 23
  static let text: OID = 25
  static let oid: OID = 26
  static let json: OID = 114
  static let xml: OID = 142
  static let float4: OID = 700
  static let float8: OID = 701
  static let unknown: OID = 705
  static let bpchar: OID = 1042
  static let varchar: OID = 1043
  static let date: OID = 1082
  static let timestamp: OID = 1114
  static let timestamptz: OID = 1184
  static let numeric: OID = 1700
  static let void: OID = 2278
  static let uuid: OID = 2950
  static let jsonb: OID = 3802

  /// Types from this number on are made by extensions and users (enumerations, domains' own types, PostGIS).
  static let firstUserDefined: OID = 16384

  /// The type of an array's elements.
  static func element(ofArray array: OID) -> OID? {
    switch array {
    case 1000: bool
    case 1001: bytea
    case 1002: char
    case 1003: name
    case 1005: int2
    case 1007: int4
    case 1009: text
    case 1014: bpchar
    case 1015: varchar
    case 1016: int8
    case 1021: float4
    case 1022: float8
    case 1028: oid
    case 199: json
    case 3807: jsonb
    case 2951: uuid
    case 1115: timestamp
    case 1185: timestamptz
    default: nil
    }
  }

  /// Types whose binary form is the text itself.
  static func isTextual(_ type: OID) -> Bool {
    switch type {
    case text, varchar, bpchar, name, json, xml, unknown, char: true
    default: type >= firstUserDefined
    }
  }
}
