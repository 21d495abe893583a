
2
xPlaceholder*
dtype0*
shape
:
.
yPlaceholder*
dtype0*
shape:
3
zShapeNxy*
N*
T0*
out_type0"ª