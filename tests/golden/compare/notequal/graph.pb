
6
xPlaceholder*
dtype0*
shape:
.
yPlaceholder*
dtype0*
shape:
<
zNotEqualxy*
T0*
incompatible_shape_error("ª