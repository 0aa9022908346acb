/// Source field names made into column names that need no quoting and clash with nothing.
public enum ColumnNames {
  /// PostgreSQL's NAMEDATALEN - 1, in bytes.
  public static let maximumBytes = 63

  /// Lower-case letters, digits and underscores; everything else becomes one underscore, and a name never starts with a
  /// digit or `$`. A name that is taken (by an earlier field, by `fid` or `geom`, by a reserved word of PostgreSQL or by
  /// a system column) gets `_1`, `_2` and so on.
  public static func sanitised(_ names: [String]) -> [String] {
    var taken = reserved
    return names.map { name in
      let stem = stem(of: name, limit: maximumBytes)
      var candidate = stem
      var suffix = 0
      while taken.contains(candidate) {
        suffix += 1
        let tail = "_\(suffix)"
        candidate = cut(stem, to: maximumBytes - tail.utf8.count) + tail
      }
      taken.insert(candidate)
      return candidate
    }
  }

  /// A public collection id out of a layer name: same rules, nothing reserved, unique among `others`.
  public static func collectionID(_ name: String, unlike others: Set<String> = []) -> String {
    let stem = stem(of: name, limit: maximumBytes)
    var candidate = stem
    var suffix = 0
    while others.contains(candidate) {
      suffix += 1
      candidate = cut(stem, to: maximumBytes - 4) + "_\(suffix)"
    }
    return candidate
  }

  private static func stem(of name: String, limit: Int) -> String {
    var result = ""
    for character in name.lowercased() {
      let scalar = character.unicodeScalars.first
      if character == "_" || character.isLetter || (character.isNumber && scalar?.properties.numericType == .decimal) {
        result.append(character)
      } else if result.last != "_" {
        result.append("_")
      }
    }
    while result.hasSuffix("_") && result.count > 1 { result.removeLast() }
    if result.isEmpty || result == "_" { result = "field" }
    if result.first?.isNumber == true { result = "_" + result }
    return cut(result, to: limit)
  }

  /// Cut to whole characters within `bytes`.
  private static func cut(_ text: String, to bytes: Int) -> String {
    var result = text
    while result.utf8.count > bytes { result.removeLast() }
    return result
  }

  /// Own columns, system columns, and the keywords PostgreSQL 15 to 17 reserve (pg_get_keywords, catcode R and T).
  private static let reserved: Set<String> = Set(
    """
    fid geom ctid tableoid xmin xmax cmin cmax oid
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
    concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
    full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning
    right select session_user similar some symmetric system_user table tablesample then to trailing true union unique user
    using variadic verbose when where window with
    """.split(whereSeparator: \.isWhitespace).map(String.init))
}
