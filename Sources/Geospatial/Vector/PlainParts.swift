internal import CGDAL

/// What a table of one family can take of a geometry that is not plain: curves drawn as lines, collections and surfaces taken
/// apart.
final class PlainParts {
  /// A multi-geometry of the family without curves; empty where the geometry has nothing of the family.
  let geometry: OGRGeometryH
  private(set) var drewCurves = false
  private(set) var tookApart = false

  /// - Parameter geometry: stays as it is.
  init?(of geometry: OGRGeometryH, family: GeometryFamily) {
    guard let multi = OGR_G_CreateGeometry(OGRwkbGeometryType(rawValue: family.multiCode)) else { return nil }
    self.geometry = multi
    guard add(geometry, family) else { return nil }
  }

  deinit { OGR_G_DestroyGeometry(geometry) }

  private func add(_ part: OGRGeometryH, _ family: GeometryFamily) -> Bool {
    let type = OGR_G_GetGeometryType(part)
    let code = OGR_GT_Flatten(type).rawValue
    if code == wkbGeometryCollection.rawValue {
      tookApart = true
      return (0..<OGR_G_GetGeometryCount(part)).allSatisfy { index in
        OGR_G_GetGeometryRef(part, index).map { add($0, family) } ?? true
      }
    }
    guard GeometryFamily(code) == family else { return true }
    if GeometryFamily(plain: code) != nil { return addPlain(part, isMulti: code == family.multiCode) }
    let plain: OGRGeometryH?
    if OGR_GT_IsNonLinear(type) != 0 {
      drewCurves = true
      // 0: GDAL's own step, 4 degrees (OGR_ARC_STEPSIZE).
      plain = OGR_G_GetLinearGeometry(part, 0, nil)
    } else {
      tookApart = true
      // Consumes the copy.
      plain = OGR_G_ForceToMultiPolygon(OGR_G_Clone(part))
    }
    guard let plain else { return false }
    defer { OGR_G_DestroyGeometry(plain) }
    let made = OGR_GT_Flatten(OGR_G_GetGeometryType(plain)).rawValue
    guard GeometryFamily(plain: made) == family else { return false }
    return addPlain(plain, isMulti: made == family.multiCode)
  }

  private func addPlain(_ part: OGRGeometryH, isMulti: Bool) -> Bool {
    guard isMulti else { return OGR_G_AddGeometry(geometry, part) == OGRERR_NONE }
    return (0..<OGR_G_GetGeometryCount(part)).allSatisfy { index in
      OGR_G_AddGeometry(geometry, OGR_G_GetGeometryRef(part, index)) == OGRERR_NONE
    }
  }
}
