internal import Foundation
internal import Datasets

/// What can be said of a source before anybody reads it: its scheme, and whether its path can be under an allowed root. The
/// worker looks again, after symbolic links are resolved.
public struct SourcePolicy: Sendable {
  /// Absolute paths.
  public var roots: [String]

  public init(roots: [String]) { self.roots = roots }

  /// - Parameter field: of the request, where the address stands.
  ///
  /// Throws `SOURCE_SCHEME_UNSUPPORTED`, `SOURCE_INVALID` or `SOURCE_OUTSIDE_ROOTS`.
  func check(_ url: String, field: String) throws(Problem) {
    guard let colon = url.firstIndex(of: ":"), url[colon...].hasPrefix("://") else {
      throw Problem(
        Reason("SOURCE_INVALID"), "the source is no URL", field: field,
        details: ["source": String(url.prefix(200))])
    }
    let scheme = url[..<colon].lowercased()
    guard scheme == "file" else {
      throw Problem(
        .sourceSchemeUnsupported, "sources of scheme '\(String(scheme.prefix(20)))' cannot be read",
        field: field,
        details: ["schemes": "file"])
    }
    let path = String(url[url.index(colon, offsetBy: 3)...]).removingPercentEncoding ?? ""
    guard path.hasPrefix("/"), !path.utf8.contains(0) else {
      throw Problem(Reason("SOURCE_INVALID"), "the source is no absolute path", field: field)
    }
    guard !path.split(separator: "/").contains(".."),
      roots.contains(where: { path == $0 || path.hasPrefix($0 == "/" ? "/" : $0 + "/") })
    else {
      throw Problem(
        .sourceOutsideRoots, "\(path.prefix(300)) is not under an allowed root", field: field,
        details: ["roots": roots.joined(separator: ":")],
        remedy: roots.isEmpty
          ? "No root is allowed yet: start the server with one (make serve ROOT=DIR, or terraned --root DIR)."
          : "Move the file under \(roots.joined(separator: " or ")), or start the server with another root (make serve ROOT=DIR)."
      )
    }
  }
}
